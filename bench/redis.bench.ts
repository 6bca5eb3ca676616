// Change feeds beside Redis streams, in the same run: events a second from writers to a consumer, and how soon a lone one
// arrives. Writers and consumer are in one process; Redis is another one, on the loopback, with a connection for the writers
// and one for the consumer, who waits with XREAD. The engine is in the process, and its consumer iterates.
//
//   orrery, synced              a put is acknowledged, and delivered, after its data sync
//   orrery, applied             a put is acknowledged, and delivered, before its data sync
//   redis, appendfsync always   XADD is answered after the sync; what is delivered may be there before it
//   redis, appendfsync everysec XADD is answered, and delivered, up to a second before the sync
//
// An event is a record of W1. The consumer reads the key and decodes the record of each, and none may be missing.

import type { Commit } from "../src/index.ts"
import { installRedis } from "./install-peers.ts"
import type { Context, Row, Series, Variant } from "./harness.ts"
import { interleave, notesOf, ratiosOf } from "./harness.ts"
import { openOrrery } from "./peers/orrery.ts"
import { RedisClient } from "./peers/redis-client.ts"
import type { Reply } from "./peers/redis-client.ts"
import { redisVersion, startRedis } from "./peers/redis-server.ts"
import type { AppendFsync } from "./peers/redis-server.ts"
import { figure, formatMs, formatRate } from "./report.ts"
import type { Report } from "./report.ts"
import { expectEqual } from "./scenario.ts"
import type { Measured, ScenarioInput, Scenarios } from "./scenario.ts"
import { spread } from "./statistics.ts"
import { keyOf, Latencies, recordOf, runCallers } from "./workload.ts"
import type { UserRecord } from "./workload.ts"

const STREAM = "events"
/** Events that Redis gives the consumer at a time: about as much as one read of the connection brings. */
const READ_COUNT = 256
const WARM_COUNT = 20_000
const LONE_COUNT = 2_000
const MODES = ["orrery, synced", "orrery, applied", "redis, appendfsync always", "redis, appendfsync everysec"] as const

export const scenarios: Scenarios = { flow, arrive }

/** A way from writers to a consumer. */
interface Channel {
  /** Resolves when all of them are acknowledged, together. */
  write(from: number, count: number): Promise<unknown>
  /** Called for every event, in order. */
  onEvent: (key: string, record: UserRecord) => void
  close(): Promise<void>
}

async function openChannel(directory: string, mode: string): Promise<Channel> {
  if (mode.startsWith("orrery")) return openFeed(directory, mode.includes("applied"))
  return openStream(directory, mode.includes("always") ? "always" : "everysec")
}

async function openFeed(directory: string, isApplied: boolean): Promise<Channel> {
  const { store, users } = await openOrrery(directory)
  const durability = isApplied ? "memory" : "synced"
  const stream = users.changes({ visibility: isApplied ? "applied" : "durable" })
  const channel: Channel = {
    write: (from, count) =>
      count === 1
        ? users.put(keyOf(from), recordOf(from), { durability })
        : users.putMany(
            Array.from({ length: count }, (_, n) => [keyOf(from + n), recordOf(from + n)] as const),
            { durability },
          ),
    onEvent: () => undefined,
    async close() {
      stream.close()
      await store.close()
    },
  }
  const take = ({ changes }: Commit<UserRecord>): void => {
    for (const { key, value } of changes) if (value !== undefined) channel.onEvent(key, value)
  }
  void (async () => {
    for await (const commit of stream) take(commit)
  })()
  return channel
}

async function openStream(directory: string, appendFsync: AppendFsync): Promise<Channel> {
  const server = await startRedis(directory, appendFsync)
  const [writer, reader] = await Promise.all([RedisClient.open(server.port), RedisClient.open(server.port)])
  const add = (n: number): Promise<unknown> =>
    writer.call("XADD", STREAM, "*", "key", keyOf(n), "value", JSON.stringify(recordOf(n)))
  let isOpen = true
  const channel: Channel = {
    write(from, count) {
      if (count === 1) return add(from)
      void writer.call("MULTI")
      for (let n = from; n < from + count; n++) void add(n)
      return writer.call("EXEC")
    },
    onEvent: () => undefined,
    async close() {
      isOpen = false
      reader.close()
      writer.close()
      await server.close()
    },
  }
  const consume = async (): Promise<void> => {
    let after = "0"
    while (isOpen) {
      const reply = await reader.call("XREAD", "COUNT", String(READ_COUNT), "BLOCK", "1000", "STREAMS", STREAM, after)
      for (const [id, fields] of entriesOf(reply)) {
        after = id
        channel.onEvent(fields[1] ?? "", JSON.parse(fields[3] ?? "") as UserRecord)
      }
    }
  }
  void consume().catch((error: unknown) => {
    if (isOpen) throw error
  })
  return channel
}

type Entry = readonly [id: string, fields: readonly string[]]

/** XREAD answers with a list of streams, each a name and its entries; with nothing where it has waited in vain. */
function entriesOf(reply: Reply): readonly Entry[] {
  return reply === null ? [] : (reply as readonly [readonly [string, readonly Entry[]]])[0][1]
}

async function flow({ directory, mode, count, callers, batch }: ScenarioInput): Promise<Measured> {
  const channel = await openChannel(directory, mode)
  let seen = 0
  let sum = 0
  channel.onEvent = (key, { id }) => {
    seen++
    sum += id + key.length
  }
  const run = async (from: number, size: number): Promise<void> => {
    const write = (index: number): Promise<unknown> => channel.write(from + index * batch, batch)
    await runCallers(callers, size / batch, write, new Latencies())
    while (seen < from + size) await new Promise((resolve) => setImmediate(resolve))
  }
  await run(0, WARM_COUNT)
  const startMs = performance.now()
  await run(WARM_COUNT, count)
  const elapsedMs = performance.now() - startMs
  expectEqual("events", seen, WARM_COUNT + count)
  let expected = 0
  for (let n = 0; n < WARM_COUNT + count; n++) expected += n + keyOf(n).length
  expectEqual("what they add up to", sum, expected)
  await channel.close()
  return { numbers: { eventsPerSecond: (count / elapsedMs) * 1000 } }
}

async function arrive({ directory, mode }: ScenarioInput): Promise<Measured> {
  const channel = await openChannel(directory, mode)
  const latencies = new Latencies()
  let arrived = (): void => undefined
  channel.onEvent = () => arrived()
  for (let n = -LONE_COUNT / 4; n < LONE_COUNT; n++) {
    const { promise, resolve } = Promise.withResolvers<void>()
    const startMs = performance.now()
    arrived = () => {
      if (n >= 0) latencies.record(performance.now() - startMs)
      resolve()
    }
    await Promise.all([channel.write(LONE_COUNT + n, 1), promise])
  }
  await channel.close()
  return { numbers: { ...latencies.summary() } }
}

async function run(context: Context): Promise<Report> {
  const problem = installRedis(context.progress)
  if (problem !== undefined) context.progress(`redis: ${problem}`)
  const count = context.isQuick ? 20_000 : 200_000
  const rounds = context.rounds(context.isQuick ? 1 : 3)
  const ways = [
    { way: "1,000 callers, one each", callers: 1_000, batch: 1 },
    { way: "20 callers, 100 together", callers: 20, batch: 100 },
  ]
  const flows = ways.flatMap(({ way, callers, batch }) =>
    MODES.map((mode): Variant => ({
      name: `${mode}; ${way}`,
      scenario: "flow",
      input: { mode, count, callers, batch },
    })),
  )
  const lone = MODES.map((mode): Variant => ({ name: `${mode}; lone`, scenario: "arrive", input: { mode } }))
  const all = await interleave(context, "redis", [...flows, ...lone], rounds, ({ numbers }) =>
    numbers["eventsPerSecond"] === undefined
      ? formatMs(numbers["p50Ms"] ?? Number.NaN)
      : formatRate(numbers["eventsPerSecond"]),
  )
  const ratio = (index: number, other: number, name: string): number[] => ratiosOf(all[index], all[other], name)
  const { length } = MODES
  return {
    title: "Change feeds beside Redis streams",
    setting: `${count.toLocaleString("en")} events of W1 to one consumer; ${LONE_COUNT.toLocaleString("en")} lone events; Redis ${redisVersion() ?? "is not there"}, ${rounds} rounds.`,
    tables: [
      {
        header: ["way; writers", "events/s: median [lowest … highest]"],
        rows: all.slice(0, flows.length).map(rateLineOf),
      },
      {
        header: ["from the call to the consumer", "p50: median [lowest … highest]", "p99", "p99.9"],
        rows: all.slice(flows.length).map(waitLineOf),
      },
    ],
    figures: [
      figure("synced events/s against Redis, appendfsync always", { atLeast: 1 }, ratio(0, 2, "eventsPerSecond")),
      figure("the same, 100 together", { atLeast: 1 }, ratio(length, length + 2, "eventsPerSecond")),
      figure(
        "a lone event, p50, against Redis, appendfsync always",
        { atMost: 1 },
        ratio(2 * length, 2 * length + 2, "p50Ms"),
      ),
    ],
    notes: notesOf(all),
  }
}

function rateLineOf(series: Series): string[] {
  if (!series.isMeasured) return [series.name, series.status]
  return [series.name, spread(series.values("eventsPerSecond"), formatRate)]
}

function waitLineOf(series: Series): string[] {
  if (!series.isMeasured) return [series.name, series.status]
  const [p99, p999] = ["p99Ms", "p999Ms"].map((name) => formatMs(series.median(name)))
  return [series.name, spread(series.values("p50Ms"), formatMs), p99 ?? "", p999 ?? ""]
}

export const row: Row = {
  name: "redis",
  title: "Events to a consumer, and how soon, beside Redis streams",
  estimateSeconds: (isQuick) => (isQuick ? 30 : 120),
  hasQuickSize: true,
  run,
}
