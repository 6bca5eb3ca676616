// How fast subscribers get what there is, and how soon what is new: out of the log's files, as a state, with the values
// before, and from the call of a lone synced put to the subscriber, durable and applied.
//
//   log            a subscription that goes on from the beginning of a store that was opened again
//   log, before    the same with the value before each change
//   state          the state first, from memory
//   durable        a lone put at a time; from its call until an observer has it, in turn with bare writes of as many bytes,
//                  with O_DSYNC, which say what the sync itself takes
//   applied        the same before it is durable
//
// Each change that is counted had its key and kind looked at. The log is in the cache of the operating system.

import { constants } from "node:fs"
import { join } from "node:path"
import type { Commit } from "../src/index.ts"
import { preallocate, RAW_SIZE, rawWrite } from "./bare-write.ts"
import type { Context, Row, Series, Variant } from "./harness.ts"
import { interleave, notesOf } from "./harness.ts"
import { openOrrery } from "./peers/orrery.ts"
import type { OrreryStore } from "./peers/orrery.ts"
import { figure, formatMs, formatRate } from "./report.ts"
import type { Report } from "./report.ts"
import { expectEqual } from "./scenario.ts"
import type { Measured, ScenarioInput, Scenarios } from "./scenario.ts"
import { spread } from "./statistics.ts"
import { ascending, entriesOf, keyOf, Latencies, recordOf } from "./workload.ts"

const BATCH = 100
const LATENCY_COUNT = 2_000
const BLOCK_COUNT = 250

export const scenarios: Scenarios = { deliver, arrive }

async function deliver({ directory, count, mode }: ScenarioInput): Promise<Measured> {
  const first = await openOrrery(directory, { checkpoint: { onClose: false } })
  const order = ascending(count, count)
  for (let index = 0; index < count; index += BATCH) {
    await first.putMany(entriesOf(order, index, Math.min(count, index + BATCH)))
  }
  await first.close()
  const orrery = await openOrrery(directory)
  const stream =
    mode === "state"
      ? orrery.users.changes({ snapshot: true })
      : orrery.users.changes({ after: "beginning", before: mode === "log, before" })
  const startMs = performance.now()
  let seen = 0
  let characters = 0
  for await (const { changes } of stream) {
    for (const { kind, key } of changes) {
      if (kind === "put") seen++
      characters += key.length
    }
    if (seen === count) break
  }
  const elapsedMs = performance.now() - startMs
  expectEqual("characters of the keys", characters, count * keyOf(count).length)
  await orrery.close()
  return { numbers: { changesPerSecond: (count / elapsedMs) * 1000 } }
}

async function arrive({ directory, mode }: ScenarioInput): Promise<Measured> {
  const orrery = await openOrrery(directory)
  await measureArrivals(orrery, mode, new Latencies(), LATENCY_COUNT / 4)
  const before = orrery.store.metrics().log.bytes
  await orrery.put(keyOf(0), recordOf(0))
  const bytes = Buffer.alloc(orrery.store.metrics().log.bytes - before, 0x5a)
  const file = await preallocate(join(directory, "bare"), constants.O_DSYNC)
  const latencies = new Latencies()
  const bare = new Latencies()
  for (let done = 0; done < LATENCY_COUNT; done += BLOCK_COUNT) {
    await measureArrivals(orrery, mode, latencies, BLOCK_COUNT)
    await measureBareWrites(file.fd, bytes, bare, done)
  }
  await file.close()
  await orrery.close()
  return { numbers: { ...latencies.summary(), bareP50Ms: bare.summary().p50Ms, bareP99Ms: bare.summary().p99Ms } }
}

async function measureBareWrites(fd: number, bytes: Buffer, latencies: Latencies, first: number): Promise<void> {
  for (let n = 0; n < BLOCK_COUNT; n++) {
    const startMs = performance.now()
    await rawWrite(fd, bytes, ((first + n) * bytes.length) % (RAW_SIZE - bytes.length), false)
    latencies.record(performance.now() - startMs)
  }
}

async function measureArrivals(orrery: OrreryStore, mode: string, latencies: Latencies, count: number): Promise<void> {
  let startMs = 0
  let seen = 0
  const look = ({ changes }: Commit): void => {
    seen += changes.length
    latencies.record(performance.now() - startMs)
  }
  const visibility = mode === "applied" ? "applied" : "durable"
  const subscription = orrery.users.changes({ visibility }).observable().subscribe(look)
  for (let n = 0; n < count; n++) {
    startMs = performance.now()
    await orrery.put(keyOf(n), recordOf(n))
    while (seen <= n) await new Promise((resolve) => setImmediate(resolve))
  }
  expectEqual("changes seen", seen, count)
  subscription.unsubscribe()
}

async function run(context: Context): Promise<Report> {
  const count = context.isQuick ? 100_000 : 1_000_000
  const rounds = context.rounds(3)
  const rates = ["log", "log, before", "state"].map((mode): Variant => ({
    name: mode,
    scenario: "deliver",
    input: { mode, count },
  }))
  const waits = ["durable", "applied"].map((mode): Variant => ({ name: mode, scenario: "arrive", input: { mode } }))
  const all = await interleave(context, "changes", [...rates, ...waits], rounds, ({ numbers }) =>
    numbers["changesPerSecond"] === undefined
      ? formatMs(numbers["p50Ms"] ?? Number.NaN)
      : formatRate(numbers["changesPerSecond"]),
  )
  const [log] = all
  const durable = all.at(-2)
  return {
    title: "Changes: catching up, and arriving",
    setting: `${count.toLocaleString("en")} puts of W1 in commits of ${BATCH}; ${LATENCY_COUNT.toLocaleString("en")} lone synced puts; ${rounds} rounds.`,
    tables: [
      {
        header: ["subscriber", "changes/s: median [lowest … highest]"],
        rows: all.slice(0, rates.length).map(rateLineOf),
      },
      {
        header: ["from the call of a put to an observer", "p50", "p99", "p99.9", "a bare write, p50", "p99"],
        rows: all.slice(rates.length).map(waitLineOf),
      },
    ],
    figures: [
      figure(
        "catch-up from the log",
        { atLeast: 1, unit: " M changes/s" },
        (log?.values("changesPerSecond") ?? []).map((rate) => rate / 1e6),
      ),
      figure(
        "from a lone put to its subscriber, p50, against a bare O_DSYNC write",
        { atMost: 1.5 },
        ratiosWithin(durable, "p50Ms", "bareP50Ms"),
      ),
    ],
    notes: notesOf(all),
  }
}

/** What one number is to another of the same run, round by round. */
function ratiosWithin(series: Series | undefined, upper: string, lower: string): number[] {
  const below = series?.values(lower) ?? []
  return (series?.values(upper) ?? []).map((value, round) => value / (below[round] ?? Number.NaN))
}

function rateLineOf(series: Series): string[] {
  if (!series.isMeasured) return [series.name, series.status]
  return [series.name, spread(series.values("changesPerSecond"), formatRate)]
}

function waitLineOf(series: Series): string[] {
  if (!series.isMeasured) return [series.name, series.status]
  return [
    series.name,
    ...["p50Ms", "p99Ms", "p999Ms", "bareP50Ms", "bareP99Ms"].map((name) => formatMs(series.median(name))),
  ]
}

export const row: Row = {
  name: "changes",
  title: "Catching up from the log, a state first, and how soon a change arrives",
  estimateSeconds: (isQuick) => (isQuick ? 20 : 120),
  hasQuickSize: true,
  run,
}
