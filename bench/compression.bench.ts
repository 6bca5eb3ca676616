// Documents of 1, 4 and 16 KiB, put and got with and without compression, beside lmdb with its own (LZ4). What is saved is
// told beside what it costs; random bytes show what it costs where nothing can be saved.

import { mkdirSync, statSync } from "node:fs"
import { join } from "node:path"
import { open } from "../src/index.ts"
import type { Context, Row, Series, Variant } from "./harness.ts"
import { interleave, notesOf, ratiosOf } from "./harness.ts"
import { importPeer, versionOf } from "./peers/peer.ts"
import { formatMegabytes, formatRate } from "./report.ts"
import type { Report } from "./report.ts"
import { expectEqual, PauseWatch } from "./scenario.ts"
import type { Measured, ScenarioInput, Scenarios } from "./scenario.ts"
import { medianOf, spread } from "./statistics.ts"
import { fractions, keyOf, SEED, shuffled } from "./workload.ts"

/** Bytes of documents that a variant writes. */
const TOTAL_BYTES = 8 * 1024 * 1024
/** Puts that are waited for together. */
const TOGETHER_COUNT = 100
const SIZES: readonly number[] = [1_024, 4_096, 16_384]
const WORDS =
  "order customer address street city country amount currency status pending shipped created updated description quantity price total discount reference invoice payment method card number session".split(
    " ",
  )

interface Documents {
  put(key: string, value: unknown): Promise<unknown>
  get(key: string): unknown
  /** Bytes in the log or the file, and in memory where the store keeps them there. */
  sizes(): { readonly diskBytes: number; readonly memoryBytes: number }
  close(): Promise<void>
}

export const scenarios: Scenarios = { documents }

/** Of a mode "text" or "random", and `batch` bytes. */
async function documents({ directory, peer, mode, count, batch: size, round }: ScenarioInput): Promise<Measured> {
  const [kind = "", compression = ""] = mode.split(" ")
  const store = await openDocuments(directory, peer, compression === "compressed")
  const random = fractions(SEED + round)
  // Made beforehand: making them takes longer than putting them.
  const values = Array.from({ length: count }, (_, n) => documentOf(kind, size, n, random))
  const putWatch = new PauseWatch()
  const putStartMs = performance.now()
  for (let start = 0; start < count; start += TOGETHER_COUNT) {
    const waiting: Promise<unknown>[] = []
    for (let n = start; n < Math.min(count, start + TOGETHER_COUNT); n++) waiting.push(store.put(keyOf(n), values[n]))
    await Promise.all(waiting)
  }
  const putMs = performance.now() - putStartMs
  const { threadCpuMs: putThreadMs = Number.NaN } = await putWatch.stop()
  const order = shuffled(count, SEED + 100 + round)
  let found = 0
  for (const n of order.subarray(0, 500)) found += numberIn(store.get(keyOf(n)))
  found = 0
  const getStartMs = performance.now()
  for (const n of order) found += numberIn(store.get(keyOf(n)))
  const getMs = performance.now() - getStartMs
  expectEqual("sum of the numbers", found, (count * (count - 1)) / 2)
  const { diskBytes, memoryBytes } = store.sizes()
  await store.close()
  return {
    numbers: {
      putsPerSecond: (count / putMs) * 1000,
      putThreadUs: (putThreadMs / count) * 1000,
      getsPerSecond: (count / getMs) * 1000,
      diskBytes,
      memoryBytes,
    },
  }
}

function documentOf(kind: string, size: number, n: number, random: () => number): unknown {
  if (kind === "random") {
    const bytes = new Uint8Array(size)
    for (let at = 0; at < size; at++) bytes[at] = random() * 256
    return { n, bytes }
  }
  const word = (): string => WORDS[Math.floor(random() * WORDS.length)] as string
  const lines: unknown[] = []
  // About 88 bytes a line, encoded.
  for (let left = size; left > 0; left -= 88) {
    const text = Array.from({ length: 9 }, word).join(" ")
    lines.push({ id: Math.floor(random() * 1e9), text, amount: random(), state: word() })
  }
  return { n, title: `${word()} ${word()}`, lines }
}

function numberIn(value: unknown): number {
  return (value as { readonly n: number } | undefined)?.n ?? Number.NaN
}

async function openDocuments(directory: string, peer: string, isCompressed: boolean): Promise<Documents> {
  if (peer === "lmdb") {
    const path = join(directory, "lmdb")
    mkdirSync(path, { recursive: true })
    const lmdb = (await importPeer("lmdb")) as {
      open(options: Readonly<Record<string, unknown>>): Omit<Documents, "sizes">
    }
    const database = lmdb.open({
      path: join(path, "data.mdb"),
      noSubdir: true,
      sharedStructuresKey: Symbol.for("structures"),
      compression: isCompressed,
    })
    return {
      put: (key, value) => database.put(key, value),
      get: (key) => database.get(key),
      sizes: () => ({ diskBytes: statSync(join(path, "data.mdb")).size, memoryBytes: Number.NaN }),
      close: () => database.close(),
    }
  }
  const store = await open(join(directory, "orrery"), { compress: isCompressed })
  const table = store.table<unknown>("documents")
  return {
    put: (key, value) => table.put(key, value),
    get: (key) => table.get(key),
    sizes: () => ({ diskBytes: store.metrics().log.bytes, memoryBytes: store.metrics().tables.liveBytes }),
    close: () => store.close(),
  }
}

function lineOf(series: Series, plain: Series | undefined, title: string): string[] {
  if (!series.isMeasured) return [title, series.problem ?? ""]
  const share = (name: string): string => {
    const ratios = plain === series ? [] : ratiosOf(series, plain, name)
    return ratios.length === 0 ? "" : `, x ${medianOf(ratios).toFixed(2)}`
  }
  const memoryBytes = series.median("memoryBytes")
  return [
    title,
    `${spread(series.values("putsPerSecond"), formatRate)}${share("putsPerSecond")}`,
    `${series.median("putThreadUs").toFixed(1)} µs${share("putThreadUs")}`,
    `${spread(series.values("getsPerSecond"), formatRate)}${share("getsPerSecond")}`,
    `${formatMegabytes(series.median("diskBytes"))}${share("diskBytes")}`,
    Number.isNaN(memoryBytes) ? "–" : `${formatMegabytes(memoryBytes)}${share("memoryBytes")}`,
  ]
}

async function run(context: Context): Promise<Report> {
  const rounds = context.rounds(3)
  const variants = SIZES.flatMap((size) =>
    ["text", "random"].flatMap((kind) =>
      (["orrery", "lmdb"] as const).flatMap((peer) =>
        ["plain", "compressed"].map((compression): Variant => {
          const count = Math.ceil(TOTAL_BYTES / (context.isQuick ? 4 : 1) / size)
          const input = { peer, mode: `${kind} ${compression}`, count, batch: size }
          return { name: `${size / 1024} KiB ${kind} ${peer} ${compression}`, scenario: "documents", input }
        }),
      ),
    ),
  )
  const all = await interleave(context, "compression", variants, rounds, ({ numbers }) =>
    formatRate(numbers["putsPerSecond"] ?? 0),
  )
  return {
    title: "Compressed documents",
    setting: `${formatMegabytes(TOTAL_BYTES / (context.isQuick ? 4 : 1))} of documents, ${TOGETHER_COUNT} puts waited for together, as durable as each store is by itself; ${rounds} rounds. lmdb ${versionOf("lmdb")}.`,
    tables: [
      {
        header: ["documents", "puts/s", "thread CPU a put", "gets/s", "log or file", "memory"],
        // What is compressed stands behind what is not.
        rows: all.map((series, index) => lineOf(series, all[index - (index % 2)], series.name)),
      },
    ],
    figures: [],
    notes: [
      ...notesOf(all),
      "x: against the same store without compression, in the same round. lmdb compresses and decompresses on its own threads where it writes, and on the main one where it reads.",
    ],
  }
}

export const row: Row = {
  name: "compression",
  title: "Documents with and without compression, beside lmdb's",
  estimateSeconds: (isQuick) => (isQuick ? 60 : 90),
  hasQuickSize: true,
  run,
}
