// Commits of a lone caller, and what they cost where many came before: 100 and 1,000 in a row; the next ones behind 10 to
// 100,000 others, over a state that stays as large and one that grows; and how long it takes to open a store with 50, and
// with 5,000,000 of them. Beside lmdb and SQLite, all of them acknowledged after the data sync.

import { mkdirSync } from "node:fs"
import { join } from "node:path"
import type { Context, Row, Series, Variant } from "./harness.ts"
import { interleave, notesOf } from "./harness.ts"
import { openOrrery } from "./peers/orrery.ts"
import type { PeerStore } from "./peers/peer.ts"
import { loadPeer, type PeerName } from "./peers/peer-list.ts"
import { figure, formatMs } from "./report.ts"
import type { Report } from "./report.ts"
import { expectEqual } from "./scenario.ts"
import type { Measured, ScenarioInput, Scenarios } from "./scenario.ts"
import { spread } from "./statistics.ts"
import { keyOf, Latencies, recordOf, runCallers } from "./workload.ts"

const IN_A_ROW = [100, 1_000]
const BEFORE = [10, 25, 50, 75, 100, 1_000, 10_000, 100_000]
/** Commits that are timed at each size. */
const TIMED_COUNT = 200
/** Keys of the state that does not grow. */
const KEY_COUNT = 100
const CALLERS = 1_000
const FEW = 50

export const scenarios: Scenarios = { commit, reopen }

/** `mode`: whether the state grows; `count`: the most that come before. */
async function commit({ directory, peer: name, mode, count }: ScenarioInput): Promise<Measured> {
  const store = await openPeer(name, directory)
  const { title, durability, note = "" } = await loadPeer(name)
  const numbers: Record<string, number> = {}
  let next = 0
  const put = (): Promise<unknown> => {
    const n = next++
    return store.put(keyOf(mode === "growing" ? n : n % KEY_COUNT), recordOf(n))
  }
  if (mode === "growing") {
    for (const inARow of IN_A_ROW) {
      const startMs = performance.now()
      for (let n = 0; n < inARow; n++) await put()
      numbers[`${inARow} in a row`] = performance.now() - startMs
    }
  } else for (let n = 0; n < TIMED_COUNT; n++) await put()
  const first = next
  for (const before of BEFORE) {
    if (before > count) break
    const missing = first + before - next
    if (missing > 0) await runCallers(CALLERS, missing, put, new Latencies())
    const latencies = new Latencies()
    for (let n = 0; n < TIMED_COUNT; n++) {
      const startMs = performance.now()
      await put()
      latencies.record(performance.now() - startMs)
    }
    numbers[String(before)] = latencies.summary().p50Ms
  }
  expectEqual(`records in ${title}`, await store.count(), mode === "growing" ? next : KEY_COUNT)
  await store.close()
  return { numbers, texts: { level: durability, note } }
}

/** From the orderly close of a store with so many transactions to the first read. */
async function reopen({ directory, peer: name, count }: ScenarioInput): Promise<Measured> {
  const numbers: Record<string, number> = {}
  for (const transactions of [FEW, count]) {
    const path = join(directory, String(transactions))
    const made = await openPeer(name, path)
    let next = 0
    const put = (): Promise<unknown> => made.put(keyOf(next), recordOf(next++))
    await runCallers(CALLERS, transactions, put, new Latencies())
    await made.close()
    const startMs = performance.now()
    const again = await openPeer(name, path)
    const read = again.get(keyOf(transactions - 1))
    numbers[transactions === FEW ? "few" : "many"] = performance.now() - startMs
    expectEqual("the record", JSON.stringify(read), JSON.stringify(recordOf(transactions - 1)))
    expectEqual("records", await again.count(), transactions)
    await again.close()
  }
  return { numbers }
}

async function openPeer(name: PeerName, directory: string): Promise<PeerStore> {
  mkdirSync(directory, { recursive: true })
  return name === "orrery" ? openOrrery(directory) : (await loadPeer(name)).open(directory)
}

const PEERS = [
  ["orrery", "orrery"],
  ["lmdb", "lmdb"],
  ["SQLite", "sqlite"],
] as const

async function run(context: Context): Promise<Report> {
  const rounds = context.rounds(context.isQuick ? 1 : 3)
  const most = context.isQuick ? 1_000 : 100_000
  const many = context.isQuick ? 20_000 : 5_000_000
  const variants = PEERS.flatMap(([name, peer]): Variant[] => [
    { name: `${name}, growing`, scenario: "commit", input: { peer, mode: "growing", count: most } },
    { name: `${name}, fixed`, scenario: "commit", input: { peer, mode: "fixed", count: most } },
  ])
  const opening = PEERS.map(([name, peer]): Variant => ({
    name,
    scenario: "reopen",
    // SQLite commits one by one: with more it would take minutes.
    input: { peer, count: peer === "sqlite" ? Math.min(many, 200_000) : many },
  }))
  const all = await interleave(context, "commits", variants, rounds, ({ numbers }) => formatMs(numbers["1000"] ?? 0))
  const opened = await interleave(context, "commits", opening, context.isQuick ? 1 : rounds, ({ numbers }) =>
    formatMs(numbers["many"] ?? 0),
  )
  const cell = (series: Series, name: string): string =>
    series.isMeasured ? spread(series.values(name), formatMs) : series.status
  const scaling = (name: string): number[] => {
    const series = all.find((each) => each.name === name)
    const few = series?.values("100") ?? []
    return (series?.values(String(most)) ?? []).map((ms, round) => ms / (few[round] ?? Number.NaN))
  }
  const sizes = BEFORE.filter((before) => before <= most)
  return {
    title: "Commits of a lone caller, behind many",
    setting: `p50 of ${TIMED_COUNT} commits behind so many others; the whole time of 100 and of 1,000 in a row; ${rounds} rounds.`,
    tables: [
      {
        header: ["", ...all.map(({ name }) => name)],
        rows: [
          ["acknowledged", ...all.map((series) => (series.isMeasured ? series.text("level") : series.status))],
          ...IN_A_ROW.map((count) => [
            `${count} in a row, in all`,
            ...all.map((series) => (series.name.endsWith("growing") ? cell(series, `${count} in a row`) : "–")),
          ]),
          ...sizes.map((before) => [
            `behind ${before.toLocaleString("en")}`,
            ...all.map((series) => cell(series, String(before))),
          ]),
        ],
      },
      {
        header: [
          "opened, to the first read",
          `with ${FEW}`,
          `with ${many.toLocaleString("en")} (SQLite: at most 200,000)`,
        ],
        rows: opened.map((series) => [series.name, cell(series, "few"), cell(series, "many")]),
      },
    ],
    figures: [
      figure(
        `a commit behind ${most.toLocaleString("en")}, growing state, against 100`,
        { atMost: 1.2 },
        scaling("orrery, growing"),
      ),
      figure(`the same over 100 keys`, { atMost: 1.2 }, scaling("orrery, fixed")),
    ],
    notes: notesOf([...all, ...opened]),
  }
}

export const row: Row = {
  name: "commits",
  title: "Commits of a lone caller behind 10 to 100,000 others, and opening, against lmdb and SQLite",
  estimateSeconds: (isQuick) => (isQuick ? 20 : 240),
  hasQuickSize: true,
  run,
}
