// Write amplification: bytes that reach the disk, over bytes that the user gave, with checkpoints as by default. The user's
// bytes are those of the key and of the value as JSON; the engine's own encoding is shorter.
//
//   inserts     W1: new keys, counting up
//   uniform     overwrites of keys that are all as likely
//   zipf        overwrites of which most go to few keys (Zipf's law, exponent 0.99, as in YCSB)

import type { Context, Row, Series, Variant } from "./harness.ts"
import { interleave, notesOf } from "./harness.ts"
import { openOrrery } from "./peers/orrery.ts"
import { formatMegabytes, formatRate } from "./report.ts"
import type { Report } from "./report.ts"
import { expectEqual } from "./scenario.ts"
import type { Measured, ScenarioInput, Scenarios } from "./scenario.ts"
import { spread } from "./statistics.ts"
import { keyOf, Latencies, recordOf, runCallers, SEED, uniform, zipfian } from "./workload.ts"

/** Keys that overwrites are spread over, for each that is written in all. */
const KEYS_PER_PUT = 0.1
const CALLERS = 1000

export const scenarios: Scenarios = { amplify }

function targetsOf(mode: string, count: number, round: number): Uint32Array | undefined {
  const keyCount = Math.round(count * KEYS_PER_PUT)
  if (mode === "uniform") return uniform(count, keyCount, SEED + round)
  if (mode === "zipf") return zipfian(count, keyCount, SEED + round)
  return undefined
}

async function amplify({ directory, mode, count, callers, round }: ScenarioInput): Promise<Measured> {
  const targets = targetsOf(mode, count, round)
  const orrery = await openOrrery(directory)
  let userBytes = 0
  const written = new Set<number>()
  const put = (index: number): Promise<unknown> => {
    const n = targets?.[index] ?? index
    written.add(n)
    const key = keyOf(n)
    const record = recordOf(n)
    userBytes += key.length + JSON.stringify(record).length
    return orrery.put(key, record)
  }
  const startMs = performance.now()
  await runCallers(callers, count, put, new Latencies())
  const elapsedMs = performance.now() - startMs
  const { flush, checkpoint } = orrery.store.metrics()
  expectEqual("records", orrery.count(), written.size)
  await orrery.close()
  return {
    numbers: {
      putsPerSecond: (count / elapsedMs) * 1000,
      userBytes,
      logBytes: flush.bytes,
      checkpointBytes: checkpoint.writtenBytes,
      checkpoints: checkpoint.made,
      flushBytes: flush.bytes / flush.flushes,
      log: flush.bytes / userBytes,
      all: (flush.bytes + checkpoint.writtenBytes) / userBytes,
    },
  }
}

function lineOf(series: Series): string[] {
  if (!series.isMeasured) return [series.name, series.status]
  const ratio = (name: string): string => {
    const values = series.values(name)
    return values.every(Number.isFinite) ? spread(values, (value) => value.toFixed(2)) : "–"
  }
  return [
    series.name,
    spread(series.values("putsPerSecond"), formatRate),
    formatMegabytes(series.median("userBytes")),
    formatMegabytes(series.median("logBytes")),
    formatMegabytes(series.median("checkpointBytes")),
    series.median("checkpoints").toFixed(0),
    `${(series.median("flushBytes") / 1e3).toFixed(1)} kB`,
    ratio("log"),
    ratio("all"),
  ]
}

async function run(context: Context): Promise<Report> {
  const count = context.isQuick ? 200_000 : 3_000_000
  const rounds = context.rounds(context.isQuick ? 1 : 3)
  const variants = ["inserts", "uniform", "zipf"].map((mode): Variant => ({
    name: mode,
    scenario: "amplify",
    input: { mode, count, callers: CALLERS },
  }))
  const all = await interleave(
    context,
    "amplification",
    variants,
    rounds,
    ({ numbers }) => `${(numbers["all"] ?? 0).toFixed(2)} x`,
  )
  const keys = Math.round(count * KEYS_PER_PUT).toLocaleString("en")
  return {
    title: "Write amplification",
    setting: `${count.toLocaleString("en")} puts of W1 by ${CALLERS.toLocaleString("en")} callers, synced, checkpoints as by default; overwrites are spread over ${keys} keys. ${rounds} rounds.`,
    tables: [
      {
        header: [
          "",
          "puts/s",
          "given by the user",
          "log",
          "checkpoints",
          "of them",
          "a flush",
          "log / given",
          "log and checkpoints / given",
        ],
        rows: all.map(lineOf),
      },
    ],
    figures: [],
    notes: [
      ...notesOf(all),
      "Given by the user: keys, and values as JSON. The engine's encoding is shorter, so that the log alone may be less than 1.",
      "Not counted: the zeros that a segment is filled with before it is used for the first time, and what the file system writes of its own accord.",
    ],
  }
}

export const row: Row = {
  name: "amplification",
  title: "Bytes written for each byte given: inserts, uniform and Zipf-like overwrites",
  estimateSeconds: (isQuick) => (isQuick ? 8 : 200),
  hasQuickSize: true,
  run,
}
