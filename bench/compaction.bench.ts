// Compaction: what a checkpoint gives back when a part of a store is dead, and how fast it is. Values of 128 bytes under
// i64 keys of a fixed seed; everything is put, and a checkpoint made of it; then a part is deleted, or overwritten once;
// then comes the checkpoint that is measured, with one checkpoint kept and no other of its own accord.
//
// The ideal is the bytes of the keys and values that are live, and nothing else.

import type { Context, Row, Series, Variant } from "./harness.ts"
import { interleave, notesOf } from "./harness.ts"
import { diskUseOf } from "./disk-use.ts"
import { open } from "../src/index.ts"
import { formatMegabytes, formatMs } from "./report.ts"
import type { Report } from "./report.ts"
import { expectEqual } from "./scenario.ts"
import type { Measured, ScenarioInput, Scenarios } from "./scenario.ts"
import { spread } from "./statistics.ts"
import { shuffled } from "./workload.ts"

const KEY_SEED = 42
const VALUE_SIZE = 128
const SHARES = [10, 30, 50, 70, 90]
const WRITE_BATCH_COUNT = 1000

export const scenarios: Scenarios = { compact }

/** Random i64 numbers in decimal, distinct as far as chance can be trusted: among a million, two are equal once in 10^7. */
function keysOf(count: number): string[] {
  const words = new Uint32Array(2)
  const number = new BigInt64Array(words.buffer)
  let state = KEY_SEED
  // xorshift32 alone would give each half once only; mixed, halves repeat as chance has it.
  const next = (): number => {
    state = (state + 0x9e3779b9) >>> 0
    let mixed = Math.imul(state ^ (state >>> 16), 0x21f0aaad)
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97)
    return (mixed ^ (mixed >>> 15)) >>> 0
  }
  return Array.from({ length: count }, () => {
    words[0] = next()
    words[1] = next()
    return String(number[0])
  })
}

function valueOf(n: number, version: number): string {
  return `value_${n}_${version}_`.padEnd(VALUE_SIZE, "v")
}

/** `mode`: "delete" or "overwrite"; `share`, in percent, comes as `batch`. */
async function compact({ directory, mode, count, batch: share, round }: ScenarioInput): Promise<Measured> {
  const store = await open(directory, { checkpoint: { logBytes: 2 ** 40 }, keep: { checkpoints: 1 } })
  const table = store.table<string>("values")
  const keys = keysOf(count)
  const numbers = Array.from({ length: count }, (_, n) => n)
  const put = async (some: readonly number[], version: number): Promise<void> => {
    for (let start = 0; start < some.length; start += WRITE_BATCH_COUNT) {
      const part = some.slice(start, start + WRITE_BATCH_COUNT)
      await table.putMany(part.map((n) => [keys[n] as string, valueOf(n, version)] as const))
    }
  }
  await put(numbers, 0)
  await store.checkpoint()
  const dead = [...shuffled(count, KEY_SEED + round).subarray(0, Math.round((count * share) / 100))]
  if (mode === "overwrite") await put(dead, 1)
  else {
    for (let start = 0; start < dead.length; start += WRITE_BATCH_COUNT) {
      const part = dead.slice(start, start + WRITE_BATCH_COUNT)
      await store.batch((writes) => {
        for (const n of part) writes.delete(table, keys[n] as string)
      })
    }
  }
  const before = diskUseOf(directory)
  const logBytes = store.metrics().checkpoint.replayBytes
  const startMs = performance.now()
  const report = await store.checkpoint()
  const timeMs = performance.now() - startMs
  const after = diskUseOf(directory)
  const live = mode === "overwrite" ? count : count - dead.length
  expectEqual("records in the checkpoint", report?.records, live)
  expectEqual("records in the table", table.size, live)
  const changed = new Set(dead)
  const removed = mode === "overwrite" ? new Set<number>() : changed
  let liveBytes = 0
  for (const n of numbers) if (!removed.has(n)) liveBytes += (keys[n] as string).length + VALUE_SIZE
  for (let n = 0; n < count; n += 997) {
    const value = removed.has(n) ? undefined : valueOf(n, changed.has(n) ? 1 : 0)
    expectEqual(`value ${n}`, table.get(keys[n] as string), value)
  }
  await store.close()
  const closed = diskUseOf(directory)
  const movedBytes = before.checkpointBytes + logBytes + after.checkpointBytes
  return {
    numbers: {
      timeMs,
      beforeBytes: before.directoryBytes,
      afterBytes: after.directoryBytes,
      closedBytes: closed.directoryBytes,
      returnedBytes: before.directoryBytes - after.directoryBytes,
      checkpointBytes: after.checkpointBytes,
      segmentBytes: after.segmentBytes,
      liveBytes,
      ideal: after.checkpointBytes / liveBytes,
      megabytesPerSecond: movedBytes / 1e3 / timeMs,
    },
  }
}

function lineOf(series: Series): string[] {
  if (!series.isMeasured) return [series.name, series.status]
  const size = (name: string): string => formatMegabytes(series.median(name))
  return [
    series.name,
    spread(series.values("timeMs"), formatMs),
    size("beforeBytes"),
    size("afterBytes"),
    size("returnedBytes"),
    size("liveBytes"),
    size("checkpointBytes"),
    `${series.median("ideal").toFixed(2)} x`,
    size("segmentBytes"),
    `${series.median("megabytesPerSecond").toFixed(0)} MB/s`,
  ]
}

function variantsOf(count: number, shares: readonly number[]): Variant[] {
  return ["delete", "overwrite"].flatMap((mode) =>
    shares.map((share) => ({
      name: `${count.toLocaleString("en")}, ${mode} ${share} %`,
      scenario: "compact",
      input: { mode, count, batch: share },
    })),
  )
}

async function run(context: Context): Promise<Report> {
  const rounds = context.rounds(context.isQuick ? 1 : 2)
  const variants = context.isQuick
    ? variantsOf(100_000, [30, 90])
    : [...variantsOf(100_000, SHARES), ...variantsOf(1_000_000, SHARES)]
  const all = await interleave(context, "compaction", variants, rounds, ({ numbers }) =>
    formatMs(numbers["timeMs"] ?? 0),
  )
  return {
    title: "Compaction",
    setting: `Values of ${VALUE_SIZE} bytes under random i64 keys (seed ${KEY_SEED}); all are put and a checkpoint is made; a part is deleted, or overwritten once; then a checkpoint, with one kept. ${rounds} rounds.`,
    tables: [
      {
        header: [
          "records, and what is dead",
          "time",
          "directory before",
          "after",
          "given back",
          "live keys and values",
          "checkpoint",
          "of the live",
          "segments left",
          "read and written",
        ],
        rows: all.map(lineOf),
      },
    ],
    figures: [],
    notes: [
      ...notesOf(all),
      "'Read and written': the checkpoint before, the log behind it and the new checkpoint, by the time of the whole call; that it is read back once more is not counted.",
      "'Segments left' are of a fixed number, whatever the size of the store: the one that is written, the one that is prepared, and up to two spares of 16 MiB each, preallocated.",
    ],
  }
}

export const row: Row = {
  name: "compaction",
  title: "What a checkpoint gives back when a part of the store is dead",
  estimateSeconds: (isQuick) => (isQuick ? 12 : 330),
  hasQuickSize: true,
  run,
}
