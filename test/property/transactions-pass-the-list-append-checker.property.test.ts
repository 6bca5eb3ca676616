// Transactions that append to lists and read them, interleaved as seeds say, a million of them and on request as many as
// one likes, pass the list-append checker, which knows nothing of this engine: strict serializability and snapshot isolation, with conflicts and retries, and across power
// cuts and killed actors. What was acknowledged as synced is in every list that is read behind a crash.

import { expect, test } from "vitest"
import { listAppend } from "../../src/testing/check-list-append.ts"
import type { IsolationModel } from "../../src/testing/check-list-append.ts"
import type { ListHistory } from "../../src/testing/check-transactions.ts"
import { measureFigures } from "../figures.ts"
import { ListAppendRun } from "./list-append-run.ts"
import type { ListAppendPlan } from "./list-append-run.ts"

/** Transactions of the default run; ORRERY_LIST_TRANSACTIONS asks for more, or fewer. */
const COUNT = Number(process.env["ORRERY_LIST_TRANSACTIONS"] ?? 1_000_000)
const SEED = Number(process.env["ORRERY_SEED"] ?? 20_261_121)
const LIMIT_MS = 3_600_000

/** Short histories are collected while they are young, which makes a transaction a fifth cheaper; some are long ones. */
const COUNT_A_RUN = 5_000
const COUNT_A_LONG_RUN = 50_000
const LONG_RUNS = 2
/** Runs whose stores fail are slower, and short: there is much between two crashes otherwise. */
const COUNT_A_FAILING_RUN = 1_250
const FAILING_SHARE = 0.02

type Base = Pick<ListAppendPlan, "level" | "crashes" | "kills">

interface Totals {
  transactions: number
  retried: number
  aborted: number
  unknown: number
  crashes: number
  kills: number
  dependencies: number
}

/** Histories until there are so many transactions in all, each judged by what its isolation level promises. */
async function judged(what: string, count: number, base: Base): Promise<Totals> {
  const isFailing = base.crashes + base.kills > 0
  const countARun = isFailing ? COUNT_A_FAILING_RUN : COUNT_A_RUN
  const countALongRun = isFailing ? COUNT_A_FAILING_RUN : COUNT_A_LONG_RUN
  const tell = measureFigures(what, SEED)
  const totals: Totals = { transactions: 0, retried: 0, aborted: 0, unknown: 0, crashes: 0, kills: 0, dependencies: 0 }
  for (let run = 0; totals.transactions < count; run++) {
    const isSerializable = run % 2 === 0
    const plan: ListAppendPlan = {
      ...base,
      seed: SEED + run * 15_485_863,
      transactions: Math.min(run < LONG_RUNS ? countALongRun : countARun, count - totals.transactions),
      clients: [8, 4, 12][run % 3] ?? 8,
      keys: [32, 8, 64][run % 3] ?? 32,
      isolation: isSerializable ? "serializable" : "snapshot",
    }
    const { history, retriedCount, crashCount, killCount } = await ListAppendRun.of(plan)
    const model: IsolationModel = isSerializable ? "strict-serializable" : "strong-snapshot-isolation"
    const { counts } = expectValid(history, model, plan)
    totals.transactions += counts.transactions
    totals.retried += retriedCount
    totals.aborted += counts.aborted
    totals.unknown += counts.unknown
    totals.crashes += crashCount
    totals.kills += killCount
    totals.dependencies += counts.dependencies
  }
  tell({ ...totals })
  return totals
}

function expectValid(history: ListHistory, model: IsolationModel, plan: unknown): ReturnType<typeof listAppend> {
  const verdict = listAppend(history, { model })
  if (!verdict.valid) {
    const told = verdict.anomalies.map(({ type, explanation }) => `${type}: ${explanation}`).join("\n")
    expect.fail(`ORRERY_SEED=${SEED}, ${model}, ${JSON.stringify(plan)}:\n${told}`)
  }
  return verdict
}

test(
  "transactions side by side are strictly serializable, or isolated by snapshots, as they were asked to be",
  async () => {
    const base: Base = { level: "memory", crashes: 0, kills: 0 }
    const totals = await judged("transactions by the list-append checker", COUNT, base)
    expect(totals.transactions).toBeGreaterThanOrEqual(COUNT)
    expect(totals.retried).toBeGreaterThan(COUNT / 50)
    expect(totals.aborted).toBeGreaterThan(0)
    expect(totals.dependencies).toBeGreaterThan(COUNT)
  },
  LIMIT_MS,
)

test(
  "so are those that power cuts come between, and no acknowledged append is lost",
  async () => {
    const base: Base = { level: "synced", crashes: 30, kills: 0 }
    const count = Math.ceil(COUNT * FAILING_SHARE)
    const totals = await judged("transactions across power cuts", count, base)
    expect(totals.crashes).toBeGreaterThan(count / 1_000)
    expect(totals.unknown).toBeGreaterThan(0)
  },
  LIMIT_MS,
)

test(
  "and those during which shards and the log's writer are killed",
  async () => {
    const base: Base = { level: "synced", crashes: 0, kills: 30 }
    const count = Math.ceil(COUNT * FAILING_SHARE)
    const totals = await judged("transactions beside killed actors", count, base)
    expect(totals.kills).toBeGreaterThan(count / 1_000)
    expect(totals.aborted).toBeGreaterThan(0)
  },
  LIMIT_MS,
)

test("a history is known by its seed, and one whose reader missed an acknowledged append is found", async () => {
  const plan: ListAppendPlan = {
    seed: SEED,
    transactions: 2_000,
    clients: 6,
    keys: 6,
    isolation: "serializable",
    level: "memory",
    crashes: 0,
    kills: 0,
  }
  const { history } = await ListAppendRun.of(plan)
  const again = await ListAppendRun.of(plan)
  expect(again.history).toEqual(history)
  // The reads of the end come behind everything that was acknowledged.
  const index = history.entries.findLastIndex(({ result }) => result?.some(isReadOfSome))
  const result = history.entries[index]?.result?.map((operation) =>
    isReadOfSome(operation) ? { ...operation, values: operation.values.slice(0, -1) } : operation,
  )
  const entry = history.entries[index]
  expect(entry).toBeDefined()
  if (entry === undefined || result === undefined) return
  const entries = history.entries.with(index, { ...entry, result })
  expect(listAppend({ ...history, entries }, { model: "strict-serializable" }).valid).toBe(false)
})

type Operation = NonNullable<ListHistory["entries"][number]["result"]>[number]

function isReadOfSome(operation: Operation): operation is Extract<Operation, { readonly kind: "read" }> & {
  readonly values: readonly (number | string)[]
} {
  return operation.kind === "read" && operation.values !== undefined && operation.values.length > 0
}
