// Memory a record: what the process grows by, everything that can be collected being collected, and what the engine says of
// itself. The second half of the records is also counted alone: it leaves out what a store costs when it is empty.

import type { Context, Row, Series, Variant } from "./harness.ts"
import { interleave, notesOf } from "./harness.ts"
import { loadPeer } from "./peers/peer-list.ts"
import type { PeerName } from "./peers/peer-list.ts"
import { OrreryStore } from "./peers/orrery.ts"
import { figure, formatMegabytes } from "./report.ts"
import type { Report } from "./report.ts"
import { expectEqual, settledRssBytes } from "./scenario.ts"
import type { Measured, ScenarioInput, Scenarios } from "./scenario.ts"
import { spread } from "./statistics.ts"
import { keyOf, Latencies, recordOf, runCallers } from "./workload.ts"

const WARM_COUNT = 500_000

export const scenarios: Scenarios = { grow }

async function grow({ directory, peer: name, count, callers }: ScenarioInput): Promise<Measured> {
  const peer = await loadPeer(name)
  const half = count / 2
  await warmHarness(callers)
  const beforeBytes = await settledRssBytes()
  const store = await peer.open(directory)
  const openBytes = await settledRssBytes()
  const latencies = new Latencies()
  const writeFrom = (start: number): Promise<void> =>
    runCallers(callers, half, (index) => store.put(keyOf(start + index), recordOf(start + index)), latencies)
  await writeFrom(0)
  const halfBytes = await settledRssBytes()
  await writeFrom(half)
  const fullBytes = await settledRssBytes()
  expectEqual(`records in ${peer.title}`, await store.count(), count)
  const tables = store instanceof OrreryStore ? store.store.metrics().tables : undefined
  const heapBytes = process.memoryUsage().heapUsed
  await store.close()
  return {
    numbers: {
      openBytes: openBytes - beforeBytes,
      grownBytes: fullBytes - beforeBytes,
      bytesPerRecord: (fullBytes - beforeBytes) / count,
      secondHalfBytesPerRecord: (fullBytes - halfBytes) / half,
      ownBytesPerRecord:
        tables === undefined ? Number.NaN : (tables.allocatedBytes + tables.indexBytes) / tables.records,
      liveBytesPerRecord: tables === undefined ? Number.NaN : tables.liveBytes / tables.records,
      heapBytes,
    },
    texts: { title: peer.title, note: peer.note ?? "" },
  }
}

/** The callers' own garbage makes the heap grow to what it needs for them: that is not the store's. */
async function warmHarness(callers: number): Promise<void> {
  let characters = 0
  const nothing = (n: number): Promise<unknown> => {
    characters += keyOf(n).length + recordOf(n).email.length
    return Promise.resolve()
  }
  await runCallers(callers, WARM_COUNT, nothing, new Latencies())
  if (characters === 0) throw new Error("nothing was made")
}

async function run(context: Context): Promise<Report> {
  const count = context.isQuick ? 200_000 : 1_000_000
  const rounds = context.rounds(3)
  const names: readonly PeerName[] = ["orrery", "map"]
  const variants = names.map((peer): Variant => ({
    name: peer,
    scenario: "grow",
    input: { peer, count, callers: 1000 },
  }))
  const all = await interleave(
    context,
    "memory",
    variants,
    rounds,
    ({ numbers }) => `${(numbers["bytesPerRecord"] ?? 0).toFixed(0)} B a record`,
  )
  const [orrery] = all
  const bytes = (series: Series, name: string): string => {
    const values = series.values(name)
    return values.some(Number.isFinite) ? spread(values, (value) => value.toFixed(0)) : "–"
  }
  return {
    title: "Memory a record",
    setting: `${count.toLocaleString("en")} records of W1, written by 1,000 callers, ${rounds} rounds. Bytes of resident memory.`,
    tables: [
      {
        header: [
          "store",
          "a record, over all",
          "a record, second half",
          "tables by their own count",
          "of these records",
          "an open, empty store",
          "heap",
        ],
        rows: all.map((series) =>
          series.isMeasured
            ? [
                series.text("title"),
                bytes(series, "bytesPerRecord"),
                bytes(series, "secondHalfBytesPerRecord"),
                bytes(series, "ownBytesPerRecord"),
                bytes(series, "liveBytesPerRecord"),
                formatMegabytes(series.median("openBytes")),
                formatMegabytes(series.median("heapBytes")),
              ]
            : [series.name, series.status],
        ),
      },
    ],
    figures: [
      figure(
        "memory a W1 record, over all",
        { atMost: 110, unit: " B" },
        orrery?.isMeasured === true ? orrery.values("bytesPerRecord") : [],
        0,
      ),
    ],
    notes: [
      ...notesOf(all),
      ...(context.isQuick ? ["With so few records, what an empty store costs weighs heavily on each."] : []),
    ],
  }
}

export const row: Row = {
  name: "memory",
  title: "Memory a record, against Map",
  estimateSeconds: (isQuick) => (isQuick ? 12 : 45),
  hasQuickSize: true,
  run,
}
