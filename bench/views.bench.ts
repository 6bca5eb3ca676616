// What works off the change feed inside the store: views and named consumers, everything in one thread.
//
//   upkeep     writers overwrite records with others, by putMany of 100, while a view follows: what that costs them
//   catch up   the view was stopped meanwhile: how fast it takes in what it has not seen
//   build      the view is made anew from what is there
//   consume    a consumer works off commits of one put each
//
// The rows are counted, and added up where that is their sense, so that nothing is left out or taken in twice.

import type { Store, TableHandle, View } from "../src/index.ts"
import type { Context, Row, Series, Variant } from "./harness.ts"
import { interleave, notesOf, ratiosOf } from "./harness.ts"
import { openOrrery } from "./peers/orrery.ts"
import type { OrreryStore } from "./peers/orrery.ts"
import { figure, formatMs, formatRate } from "./report.ts"
import type { Report } from "./report.ts"
import { expectEqual, PauseWatch } from "./scenario.ts"
import type { Measured, ScenarioInput, Scenarios } from "./scenario.ts"
import { spread } from "./statistics.ts"
import { ascending, entriesOf, keyOf, Latencies, recordOf, runCallers } from "./workload.ts"
import type { UserRecord } from "./workload.ts"

const MODES = ["map", "map to other keys", "groupBy", "fold"] as const
const GROUP_COUNT = 90
const WAIT_MS_MAX = 120_000

export const scenarios: Scenarios = { upkeep, consume }

async function upkeep({ directory, count, callers, batch, mode }: ScenarioInput): Promise<Measured> {
  const orrery = await openOrrery(directory, { checkpoint: false })
  await fill(orrery, count, callers, batch, 0)
  const view = define(orrery.store, orrery.users, mode)
  const building = await timed(count, async () => view?.ready())
  const writing = await timed(count, async () => {
    await fill(orrery, count, callers, batch, 1)
    await untilCaughtUp(view)
  })
  await view?.stop()
  await fill(orrery, count, callers, batch, 2)
  const again = define(orrery.store, orrery.users, mode)
  const catchingUp = await timed(count, async () => {
    await again?.ready()
    await untilCaughtUp(again)
  })
  if (again !== undefined) expectRows(again, mode, count)
  await orrery.close()
  return {
    numbers: {
      perSecond: writing.perSecond,
      cpuNsPerOperation: writing.cpuNs,
      loopP99Ms: writing.loopP99Ms,
      catchUpPerSecond: catchingUp.perSecond,
      catchUpCpuNs: catchingUp.cpuNs,
      buildPerSecond: building.perSecond,
    },
  }
}

async function consume({ directory, count, callers, batch, mode }: ScenarioInput): Promise<Measured> {
  const orrery = await openOrrery(directory, { checkpoint: false })
  const { store, users } = orrery
  await runCallers(callers, count, (index) => users.put(keyOf(index), recordOf(index)), new Latencies())
  const copies = store.table<number>("copies")
  const durability = mode.includes("memory") ? "memory" : "synced"
  const measured = await timed(count, async () => {
    const consumer = store.consume<UserRecord>(
      "copy",
      (commits, tx) => {
        for (const { changes } of commits) for (const { key, value } of changes) tx.put(copies, key, value?.age ?? 0)
      },
      { table: users, from: "beginning", batch: { commits: batch }, durability },
    )
    await until(() => copies.size >= count && consumer.lag === 0)
  })
  expectEqual("commits processed", store.metrics().consumers.processed, count)
  await orrery.close()
  return {
    numbers: { perSecond: measured.perSecond, cpuNsPerOperation: measured.cpuNs, loopP99Ms: measured.loopP99Ms },
  }
}

function define(store: Store, users: TableHandle<UserRecord>, mode: string): View | undefined {
  switch (mode) {
    case "map":
      return store.view("view", { from: users, map: ({ key, value }) => [[key, { age: value.age, name: value.name }]] })
    case "map to other keys":
      return store.view("view", { from: users, map: ({ key, value }) => [[`${value.age}/${key}`, value.name]] })
    case "groupBy":
      return store.view("view", {
        from: users,
        groupBy: ({ value }) => String(value.age),
        part: ({ value }) => value.score,
        initial: { sum: 0, count: 0 },
        add: ({ sum, count }, score) => ({ sum: sum + score, count: count + 1 }),
        remove: ({ sum, count }, score) => ({ sum: sum - score, count: count - 1 }),
      })
    case "fold":
      return store.view("view", {
        from: users,
        key: ({ value }) => String(value?.age),
        initial: 0,
        fold: (count: number) => count + 1,
      })
    default:
      return undefined
  }
}

function expectRows({ table }: View, mode: string, count: number): void {
  if (mode.startsWith("map")) return expectEqual("rows of the view", table.size, count)
  let sum = 0
  for (const row of table.values()) sum += typeof row === "number" ? row : (row as { count: number }).count
  expectEqual("rows of the view", table.size, Math.min(count, GROUP_COUNT))
  // A fold counts what was there, what was written while it followed, and what it caught up on.
  expectEqual("what the rows add up to", sum, mode === "fold" ? count * 3 : count)
}

/** Every pass writes other records: what has not changed need not be taken back. */
function fill(orrery: OrreryStore, count: number, callers: number, batch: number, pass: number): Promise<void> {
  const order = ascending(count)
  const write = (index: number): Promise<unknown> => {
    const entries = entriesOf(order, index * batch, Math.min(count, (index + 1) * batch))
    return orrery.putMany(entries.map(([key, user]) => [key, { ...user, score: user.score + pass }]))
  }
  return runCallers(callers, Math.ceil(count / batch), write, new Latencies())
}

async function timed(
  count: number,
  work: () => Promise<unknown>,
): Promise<{ readonly perSecond: number; readonly cpuNs: number; readonly loopP99Ms: number }> {
  const watch = new PauseWatch()
  const startMs = performance.now()
  await work()
  const elapsedMs = performance.now() - startMs
  const pauses = await watch.stop()
  return {
    perSecond: (count / elapsedMs) * 1000,
    cpuNs: ((pauses["threadCpuMs"] ?? Number.NaN) * 1e6) / count,
    loopP99Ms: pauses["loopP99Ms"] ?? Number.NaN,
  }
}

async function untilCaughtUp(view: View | undefined): Promise<void> {
  if (view !== undefined) await until(() => view.lag === 0)
}

async function until(holds: () => boolean): Promise<void> {
  const startMs = performance.now()
  while (!holds()) {
    if (performance.now() - startMs > WAIT_MS_MAX) throw new Error("it has not caught up in time")
    await new Promise((resolve) => setTimeout(resolve, 1))
  }
}

function variantsOf(count: number): Variant[] {
  const upkeepOf = (name: string, mode: string): Variant => ({
    name,
    scenario: "upkeep",
    input: { count, callers: 10, batch: 100, mode },
  })
  const consumeOf = (name: string, mode: string, batch: number, share: number): Variant => ({
    name,
    scenario: "consume",
    input: { count: count / share, callers: 1_000, batch, mode },
  })
  return [
    upkeepOf("no view", "none"),
    ...MODES.map((mode) => upkeepOf(`view by ${mode}`, mode)),
    consumeOf("consumer, one commit a transaction, synced", "synced", 1, 20),
    consumeOf("consumer, one commit a transaction, memory", "memory", 1, 2),
    consumeOf("consumer, 100 commits a transaction, synced", "synced", 100, 2),
  ]
}

function lineOf(series: Series): string[] {
  if (!series.isMeasured) return [series.name, series.status]
  const catchUps = series.values("catchUpPerSecond")
  const isView = series.name.startsWith("view")
  return [
    series.name,
    spread(series.values("perSecond"), formatRate),
    `${series.median("cpuNsPerOperation").toFixed(0)} ns`,
    formatMs(series.median("loopP99Ms")),
    isView ? spread(catchUps, formatRate) : "–",
    isView ? `${series.median("catchUpCpuNs").toFixed(0)} ns` : "–",
    isView ? formatRate(series.median("buildPerSecond")) : "–",
  ]
}

async function run(context: Context): Promise<Report> {
  const count = context.isQuick ? 20_000 : 500_000
  const rounds = context.rounds(context.isQuick ? 1 : 3)
  const all = await interleave(context, "views", variantsOf(count), rounds, ({ numbers }) =>
    formatRate(numbers["perSecond"] ?? 0),
  )
  const named = (name: string): Series | undefined => all.find((series) => series.name === name)
  const catchUpOf = (mode: string): number[] =>
    (named(`view by ${mode}`)?.values("catchUpPerSecond") ?? []).map((rate) => rate / 1000)
  return {
    title: "Views and consumers",
    setting: `${count.toLocaleString("en")} records (consumers: a half; a twentieth where each is synced alone), views beside 10 callers of putMany of 100, synced, ${rounds} rounds.`,
    tables: [
      {
        header: [
          "what",
          "changes/s with the writers: median [lowest … highest]",
          "processor a change",
          "event loop p99",
          "catching up alone, changes/s",
          "processor a change",
          "building, records/s",
        ],
        rows: all.map(lineOf),
      },
    ],
    figures: [
      ...MODES.map((mode) =>
        figure(`upkeep of a view by ${mode}, alone`, { atLeast: 300, unit: " k changes/s" }, catchUpOf(mode)),
      ),
      figure(
        "writers beside a view by groupBy, until it has caught up",
        { atLeast: 0.4 },
        ratiosOf(named("view by groupBy"), named("no view"), "perSecond"),
      ),
    ],
    notes: notesOf(all),
  }
}

export const row: Row = {
  name: "views",
  title: "Views and named consumers: upkeep, catching up, building",
  estimateSeconds: (isQuick) => (isQuick ? 30 : 180),
  hasQuickSize: true,
  run,
}
