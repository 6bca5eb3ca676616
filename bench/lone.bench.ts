// A lone synced put: one caller, who waits for each put before the next, against what the disk takes for the same bytes.
// The engine and the bare writes take turns within one process, in blocks, so that they meet the same disk.

import { constants } from "node:fs"
import { join } from "node:path"
import { preallocate, RAW_SIZE, rawWrite } from "./bare-write.ts"
import type { Context, Row, Series, Variant } from "./harness.ts"
import { interleave, notesOf } from "./harness.ts"
import { openOrrery } from "./peers/orrery.ts"
import { figure, formatMs } from "./report.ts"
import type { Report } from "./report.ts"
import { expectEqual, PauseWatch } from "./scenario.ts"
import type { Measured, ScenarioInput, Scenarios } from "./scenario.ts"
import { spread } from "./statistics.ts"
import { fill, keyOf, Latencies, recordOf } from "./workload.ts"

const BLOCK_COUNT = 250

export const scenarios: Scenarios = { lone }

/** `batch` is the number of records that are in the store before. */
async function lone({ directory, count, batch: priorCount }: ScenarioInput): Promise<Measured> {
  const orrery = await openOrrery(directory)
  await fill(orrery, priorCount)
  let next = priorCount
  const put = (): Promise<unknown> => orrery.put(keyOf(next), recordOf(next++))
  for (let index = 0; index < BLOCK_COUNT; index++) await put()
  const before = orrery.store.metrics().log
  await put()
  const frameBytes = orrery.store.metrics().log.bytes - before.bytes
  const dsync = await preallocate(join(directory, "raw-dsync"), constants.O_DSYNC)
  const plain = await preallocate(join(directory, "raw-fdatasync"), 0)
  const bytes = Buffer.alloc(frameBytes, 0x5a)
  const positions = { dsync: 0, plain: 0 }
  const writeDsync = (): Promise<void> => {
    positions.dsync = (positions.dsync + frameBytes) % (RAW_SIZE - frameBytes)
    return rawWrite(dsync.fd, bytes, positions.dsync, false)
  }
  const writePlain = (): Promise<void> => {
    positions.plain = (positions.plain + frameBytes) % (RAW_SIZE - frameBytes)
    return rawWrite(plain.fd, bytes, positions.plain, true)
  }
  const samples = { put: new Latencies(), dsync: new Latencies(), fdatasync: new Latencies() }
  const watch = new PauseWatch()
  for (let done = 0; done < count; done += BLOCK_COUNT) {
    await timeBlock(put, samples.put)
    await timeBlock(writeDsync, samples.dsync)
    await timeBlock(writePlain, samples.fdatasync)
  }
  const pauses = await watch.stop()
  expectEqual("records", orrery.count(), next)
  await Promise.all([dsync.close(), plain.close()])
  await orrery.close()
  return {
    numbers: {
      frameBytes,
      ...prefixed("put", samples.put),
      ...prefixed("dsync", samples.dsync),
      ...prefixed("fdatasync", samples.fdatasync),
      ...pauses,
    },
  }
}

async function timeBlock(operation: () => Promise<unknown>, into: Latencies): Promise<void> {
  for (let index = 0; index < BLOCK_COUNT; index++) {
    const startMs = performance.now()
    await operation()
    into.record(performance.now() - startMs)
  }
}

function prefixed(name: string, latencies: Latencies): Record<string, number> {
  return Object.fromEntries(Object.entries(latencies.summary()).map(([key, value]) => [`${name}.${key}`, value]))
}

function ratiosWithin(series: Series | undefined, upper: string, lower: string): number[] {
  return series?.samples.map(({ numbers }) => (numbers[upper] ?? Number.NaN) / (numbers[lower] ?? Number.NaN)) ?? []
}

async function run(context: Context): Promise<Report> {
  const count = context.isQuick ? 2500 : 10_000
  const rounds = context.rounds(context.isQuick ? 3 : 5)
  const priors = [10, 100_000]
  const variants = priors.map((prior): Variant => {
    const name = `${prior.toLocaleString("en")} records before`
    return { name, scenario: "lone", input: { count, batch: prior } }
  })
  const all = await interleave(context, "lone", variants, rounds, ({ numbers }) => formatMs(numbers["put.p50Ms"] ?? 0))
  const [few, many] = all
  const measured = all.filter((series) => series.isMeasured)
  return {
    title: "A lone synced put",
    setting: `${count.toLocaleString("en")} puts of one caller, ${few?.median("frameBytes").toFixed(0) ?? "?"} bytes each in the log, in blocks of ${BLOCK_COUNT} in turn with bare writes of as many bytes into a preallocated file, ${rounds} rounds.`,
    tables: [
      {
        header: ["", "way", "p50: median [lowest … highest]", "p99", "p99.9", "highest"],
        rows: measured.flatMap((series) =>
          [
            ["put", "orrery, synced"],
            ["dsync", "fs.write, O_DSYNC"],
            ["fdatasync", "fs.write, then fs.fdatasync"],
          ].map(([key = "", way = ""]) => [
            series.name,
            way,
            spread(series.values(`${key}.p50Ms`), formatMs),
            formatMs(series.median(`${key}.p99Ms`)),
            formatMs(series.median(`${key}.p999Ms`)),
            formatMs(series.max(`${key}.maxMs`)),
          ]),
        ),
      },
    ],
    figures: [
      figure(
        "lone synced put, p50, against a bare O_DSYNC write",
        { atMost: 1.3 },
        ratiosWithin(few, "put.p50Ms", "dsync.p50Ms"),
      ),
      figure(
        "the same, against a bare write and fdatasync",
        { atMost: 1.3 },
        ratiosWithin(few, "put.p50Ms", "fdatasync.p50Ms"),
      ),
      figure(
        "commit latency with 100,000 records before, against 10 (each against its bare write)",
        { atMost: 1.2 },
        ratiosWithin(many, "put.p50Ms", "dsync.p50Ms").map(
          (ratio, round) => ratio / (ratiosWithin(few, "put.p50Ms", "dsync.p50Ms")[round] ?? Number.NaN),
        ),
      ),
    ],
    notes: notesOf(all),
  }
}

export const row: Row = {
  name: "lone",
  title: "A lone synced put against bare writes of the same bytes",
  estimateSeconds: (isQuick) => (isQuick ? 10 : 60),
  hasQuickSize: true,
  run,
}
