// Shrink: many committed transactions on few keys, and then a checkpoint. What is left on the disk must depend on the few
// keys, and not on the many transactions.

import type { Context, Row, Series, Variant } from "./harness.ts"
import { interleave, notesOf } from "./harness.ts"
import { diskUseOf } from "./disk-use.ts"
import { open } from "../src/index.ts"
import { figure, formatMegabytes, formatMs } from "./report.ts"
import type { Report } from "./report.ts"
import { expectEqual } from "./scenario.ts"
import type { Measured, ScenarioInput, Scenarios } from "./scenario.ts"
import { Latencies, runCallers } from "./workload.ts"

const KEY_COUNT = 100
const PUTS_IN_TRANSACTION = 4

export const scenarios: Scenarios = { shrink }

async function shrink({ directory, count, callers }: ScenarioInput): Promise<Measured> {
  const store = await open(directory, { checkpoint: { logBytes: 2 ** 40 }, keep: { checkpoints: 1 } })
  const table = store.table<{ n: number; text: string }>("few")
  const transact = (n: number): Promise<unknown> =>
    store.batch((writes) => {
      for (let i = 0; i < PUTS_IN_TRANSACTION; i++) {
        writes.put(table, `key ${(n * 7 + i * 13) % KEY_COUNT}`, { n, text: `transaction ${n}` })
      }
    })
  await runCallers(callers, count, transact, new Latencies())
  const before = diskUseOf(directory)
  const logBytes = store.metrics().log.bytes
  const startMs = performance.now()
  const report = await store.checkpoint()
  const timeMs = performance.now() - startMs
  expectEqual("records in the checkpoint", report?.records, KEY_COUNT)
  expectEqual("records", table.size, KEY_COUNT)
  const after = diskUseOf(directory)
  await store.close()
  const closed = diskUseOf(directory)
  return {
    numbers: {
      timeMs,
      logBytes,
      beforeBytes: before.directoryBytes,
      afterBytes: after.directoryBytes,
      closedBytes: closed.directoryBytes,
      checkpointBytes: after.checkpointBytes,
      segmentBytes: after.segmentBytes,
    },
  }
}

function lineOf(series: Series): string[] {
  if (!series.isMeasured) return [series.name, series.status]
  const size = (name: string): string => formatMegabytes(series.median(name))
  return [
    series.name,
    size("logBytes"),
    size("beforeBytes"),
    formatMs(series.median("timeMs")),
    `${(series.median("checkpointBytes") / 1e3).toFixed(1)} kB`,
    size("segmentBytes"),
    size("afterBytes"),
    size("closedBytes"),
  ]
}

async function run(context: Context): Promise<Report> {
  const counts = context.isQuick ? [20_000] : [100_000, 1_000_000]
  const rounds = context.rounds(context.isQuick ? 1 : 3)
  const variants = counts.map((count): Variant => ({
    name: `${count.toLocaleString("en")} transactions`,
    scenario: "shrink",
    input: { count, callers: 100 },
  }))
  const all = await interleave(context, "shrink", variants, rounds, ({ numbers }) =>
    formatMegabytes(numbers["afterBytes"] ?? 0),
  )
  const [first] = all
  return {
    title: "Shrinking to what is live",
    setting: `Transactions of ${PUTS_IN_TRANSACTION} puts each on ${KEY_COUNT} keys, 100 callers; then a checkpoint, with one kept. ${rounds} rounds.`,
    tables: [
      {
        header: [
          "",
          "log",
          "directory before",
          "checkpoint made in",
          "checkpoint",
          "segments",
          "directory after",
          "closed",
        ],
        rows: all.map(lineOf),
      },
    ],
    figures: [
      figure(
        `the checkpoint after ${counts[0]?.toLocaleString("en") ?? ""} transactions on ${KEY_COUNT} keys`,
        { atMost: 16, unit: " kB" },
        first?.isMeasured === true ? first.values("checkpointBytes").map((bytes) => bytes / 1e3) : [],
        1,
      ),
      figure(
        "the directory after, however many the transactions were",
        { atMost: 68, unit: " MB" },
        all.flatMap((series) => series.values("afterBytes").map((bytes) => bytes / 1e6)),
        1,
      ),
    ],
    notes: [
      ...notesOf(all),
      "What is left beside the checkpoint is preallocated, and of a fixed number: the segment that is written, the one that is prepared, and up to two spares, of 16 MiB each.",
    ],
  }
}

export const row: Row = {
  name: "shrink",
  title: "Many transactions on few keys, and what is left of them",
  estimateSeconds: (isQuick) => (isQuick ? 4 : 60),
  hasQuickSize: true,
  run,
}
