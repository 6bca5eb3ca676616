// A view that is ready is its definition, run over the sources as they were at its position; one that is being built or was
// cut off becomes so. Over any history of writes, killed actors, checkpoints and reopenings with other versions, and from
// every state that a crash can leave.

import fc from "fast-check"
import { expect, test } from "vitest"
import type { Store, View } from "../../src/index.ts"
import { crashStates } from "../../src/simulation/crash-states.ts"
import { SimulatedDisk } from "../../src/simulation/simulated-disk.ts"
import { simulatePlatform } from "../../src/simulation/simulated-platform.ts"
import type { SimulatedPlatform } from "../../src/simulation/simulated-platform.ts"
import { openStore, untilSettled } from "./store-history.ts"

const SEGMENT_BYTES = 4096
/** States in the default run; ORRERY_CRASH_STATES asks for more. */
const STATE_COUNT = Number(process.env["ORRERY_CRASH_STATES"] ?? 200)
const SEED = Number(process.env["ORRERY_SEED"] ?? 66_001)
const KEYS = ["a", "b", "c", "d"]
const TABLES = ["left", "right"]
const KEEP = { checkpoints: 100, historyBytes: 1e9 }

type Step =
  | { readonly kind: "put"; readonly table: string; readonly key: string; readonly value: string }
  | { readonly kind: "delete"; readonly table: string; readonly key: string }
  | { readonly kind: "batch"; readonly puts: readonly (readonly [string, string])[] }
  | { readonly kind: "turns"; readonly count: number }
  | { readonly kind: "advance"; readonly ms: number }
  | { readonly kind: "checkpoint" }
  | { readonly kind: "rebuild" }
  | { readonly kind: "reopen"; readonly version: number }
  | { readonly kind: "kill"; readonly actor: string }

const key = fc.constantFrom(...KEYS)
const table = fc.constantFrom(...TABLES)
/** Keys of rows, some of them those of records: several records claim the same ones. */
const value = fc.array(fc.constantFrom(...KEYS, "x"), { maxLength: 3 }).map((parts) => parts.join(""))
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 8, arbitrary: fc.record({ kind: fc.constant("put" as const), table, key, value }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("delete" as const), table, key }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("batch" as const),
      puts: fc.uniqueArray(fc.tuple(key, value), { minLength: 1, maxLength: 4, selector: ([id]) => id }),
    }),
  },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant("turns" as const), count: fc.integer({ min: 1, max: 8 }) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("advance" as const), ms: fc.constantFrom(1, 20, 200) }) },
  { weight: 1, arbitrary: fc.constant({ kind: "checkpoint" as const }) },
  { weight: 1, arbitrary: fc.constant({ kind: "rebuild" as const }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("reopen" as const), version: fc.nat(1) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("kill" as const),
      actor: fc.constantFrom("log/wal-writer", "shards/shard-1", "change-publisher", "consumers"),
    }),
  },
)

type Content = Map<string, unknown>
/** The sources: "table/key" to the value. */
type Sources = Map<string, string>

/** The views of a version. Another version is made by other functions. */
function views(store: Store, version: number): View<never>[] {
  const sources = [store.table<string>("left"), store.table<string>("right")]
  const map = store.view("map", {
    from: sources,
    version,
    map: (record) => rowsOf(version, record.table, record.key, record.value),
  })
  const single = store.view("single", {
    from: "left",
    version,
    map: ({ key: id, value: text }) => [[id, `${version}${String(text)}`]],
  })
  const reduce = store.view("reduce", {
    from: sources,
    version,
    groupBy: ({ value: text }) => groupOf(version, text),
    part: ({ value: text }) => text.length + version,
    initial: { sum: 0, count: 0 },
    add: (state, part) => ({ sum: state.sum + part, count: state.count + 1 }),
    remove: (state, part) => ({ sum: state.sum - part, count: state.count - 1 }),
  })
  const fold = store.view("fold", {
    from: "left",
    version,
    fold: (text: string, { key: id, kind, value: content }) => `${text}${id}${kind === "put" ? String(content) : "-"};`,
    initial: "",
    key: ({ key: id }) => id,
  })
  return [map, single, reduce, fold] as unknown as View<never>[]
}

function rowsOf(version: number, source: string, id: string, text: string): [string, string][] {
  return Array.from(text, (letter) => [version === 0 ? letter : `${letter}!`, `${source}/${id}=${text}`])
}

function groupOf(version: number, text: string): string | undefined {
  return text === "" ? undefined : `${text.length}/${version}`
}

/** What the views must be, by their definition and nothing else. */
function expected(sources: Sources, version: number): Record<string, Content> {
  const map: Content = new Map()
  const single: Content = new Map()
  const groups = new Map<string, { sum: number; count: number }>()
  for (const [place, text] of [...sources].sort(([one], [other]) => (one < other ? -1 : 1))) {
    const [source = "", id = ""] = place.split("/")
    for (const [row, content] of rowsOf(version, source, id, text)) if (!map.has(row)) map.set(row, content)
    if (source === "left") single.set(id, `${version}${text}`)
    const group = groupOf(version, text)
    if (group === undefined) continue
    const state = groups.get(group) ?? { sum: 0, count: 0 }
    groups.set(group, { sum: state.sum + text.length + version, count: state.count + 1 })
  }
  return { map, single, reduce: groups }
}

function contentOf(store: Store, name: string): Content {
  return new Map(store.table(name).entries())
}

function sourcesOf(store: Store): Sources {
  const sources: Sources = new Map()
  for (const name of TABLES) {
    for (const [id, text] of store.table<string>(name).entries()) sources.set(`${name}/${id}`, text)
  }
  return sources
}

function sorted(content: Content): [string, unknown][] {
  return [...content].sort(([one], [other]) => (one < other ? -1 : 1))
}

/** What a fold must hold for a key: all that was done to it, or an end of that which begins with what was built from. */
function checkFold(store: Store, history: ReadonlyMap<string, string>, where: string): void {
  for (const [id, text] of contentOf(store, "fold")) {
    const whole = history.get(id) ?? ""
    expect(whole.endsWith(String(text)), `${where}\nfold of ${id}: ${String(text)} is no end of ${whole}`).toBe(true)
  }
  const left = sourcesOf(store)
  for (const id of KEYS) {
    if (left.has(`left/${id}`)) expect(store.table("fold").has(id), `${where}\nfold of ${id} is missing`).toBe(true)
  }
}

/** Lets time pass until the views are those of everything that is durable. */
async function untilReady(platform: SimulatedPlatform, store: Store, all: readonly View<never>[]): Promise<void> {
  await untilSettled(platform, store.flush())
  for (let round = 0; round < 3_000; round++) {
    await new Promise<void>((resolve) => setImmediate(resolve))
    if (round > 3) platform.clock.advance(10)
    if (all.every(({ state, lag }) => state === "ready" && lag === 0)) return
  }
  throw new Error(`they do not come to rest: ${JSON.stringify(store.views())}`)
}

function check(store: Store, version: number, where: string): void {
  for (const [name, content] of Object.entries(expected(sourcesOf(store), version))) {
    expect(sorted(contentOf(store, name)), `${where}\n${name}`).toEqual(sorted(content))
  }
}

/** What was done to each key of "left" up to the end of the log, as the fold writes it down. */
async function historyOf(store: Store): Promise<Map<string, string>> {
  const texts = new Map<string, string>()
  const versions = await Promise.all(
    KEYS.map(async (id) => {
      let text = ""
      for await (const { isDeleted, value: content } of store.table<string>("left").history(id)) {
        text += `${id}${isDeleted ? "-" : String(content)};`
      }
      return [id, text] as const
    }),
  )
  for (const [id, text] of versions) texts.set(id, text)
  return texts
}

test("rows are those of the definition, at the end of every history and behind every crash", async () => {
  const histories = fc.sample(fc.tuple(fc.array(step, { minLength: 15, maxLength: 45, size: "max" }), fc.nat(1e6)), {
    numRuns: 200,
    seed: SEED,
  })
  let states = 0
  for (const [index, [steps, seed]] of histories.entries()) {
    if (states >= STATE_COUNT) break
    const disk = new SimulatedDisk({ seed, keepsTrace: true })
    const platform = simulatePlatform({ seed, disk })
    let version = 0
    let store = await openStore(platform, SEGMENT_BYTES, KEEP)
    await untilSettled(platform, store.table("left").put("a", "ab"))
    let all = views(store, version)
    const waiting: Promise<unknown>[] = []
    for (const now of steps) {
      if (now.kind === "put")
        waiting.push(
          store
            .table(now.table)
            .put(now.key, now.value)
            .catch(() => undefined),
        )
      else if (now.kind === "delete")
        waiting.push(
          store
            .table(now.table)
            .delete(now.key)
            .catch(() => undefined),
        )
      else if (now.kind === "batch")
        waiting.push(
          store
            .table("left")
            .putMany(now.puts)
            .catch(() => undefined),
        )
      else if (now.kind === "advance") platform.clock.advance(now.ms)
      else if (now.kind === "checkpoint") waiting.push(store.checkpoint().catch(() => undefined))
      else if (now.kind === "rebuild") waiting.push(...all.map((view) => view.rebuild().catch(() => undefined)))
      else if (now.kind === "kill") {
        await untilSettled(platform, store.killActor(`store/${now.actor}`, new Error("killed by the test")))
      } else if (now.kind === "reopen") {
        await untilSettled(platform, store.close())
        store = await openStore(platform, SEGMENT_BYTES, KEEP)
        version = now.version
        all = views(store, version)
      } else for (let turn = 0; turn < now.count; turn++) await new Promise<void>((resolve) => setImmediate(resolve))
    }
    const where = `history ${index} of ORRERY_SEED=${SEED}`
    await untilSettled(platform, Promise.all(waiting))
    await untilSettled(platform, store.ready())
    await untilReady(platform, store, all)
    check(store, version, where)
    checkFold(store, await untilSettled(platform, historyOf(store)), where)
    await untilSettled(platform, store.close())

    for (const state of crashStates(disk.trace(), { seed, limit: 20 })) {
      states++
      const what = `${where}\n${state.describe()}`
      const machine = simulatePlatform({ seed, disk: state.mount({ keepsTrace: false }) })
      const again = await openStore(machine, SEGMENT_BYTES, KEEP)
      const next = views(again, version)
      await untilReady(machine, again, next)
      check(again, version, what)
      checkFold(again, await untilSettled(machine, historyOf(again)), what)
      // A change that is taken in twice, or not at all, shows in what comes on top of it.
      const more = TABLES.map((name) => again.table(name).put("b", "ax"))
      await untilSettled(machine, Promise.all([...more, again.table("left").delete("a")]))
      await untilReady(machine, again, next)
      check(again, version, `${what}\nand then`)
      checkFold(again, await untilSettled(machine, historyOf(again)), `${what}\nand then`)
      await untilSettled(machine, again.close())
    }
  }
  console.log(`${states} states, ORRERY_SEED=${SEED}`)
  expect(states).toBeGreaterThanOrEqual(STATE_COUNT)
})
