// Runs a history of operations on a store over the simulated disk, and keeps what an oracle outside would know: which
// commits were made, what each of them changed, and after which operation of the disk each was acknowledged.

// Loaded ahead: the first `open` loads it, which takes real time, while simulated time goes on.
import "../../src/actors/engine.ts"
import fc from "fast-check"
import { open } from "../../src/index.ts"
import type { Durability, Store, TableView } from "../../src/index.ts"
import { OrreryError } from "../../src/model/errors.ts"
import type { KeepOptions } from "../../src/store/options.ts"
import type { SimulatedPlatform } from "../../src/simulation/simulated-platform.ts"

export interface Entry {
  readonly n: number
  readonly pad: string
}

export type Step =
  | {
      readonly kind: "put"
      readonly table: string
      readonly key: string
      readonly size: number
      readonly level: Durability
    }
  | { readonly kind: "delete"; readonly table: string; readonly key: string; readonly level: Durability }
  | { readonly kind: "update"; readonly table: string; readonly key: string; readonly level: Durability }
  | {
      readonly kind: "batch"
      readonly puts: readonly string[]
      readonly deletes: readonly string[]
      /** Of the padding of each value; its place is the padding where there is none. */
      readonly size?: number
      readonly level: Durability
    }
  | { readonly kind: "turns"; readonly count: number }
  | { readonly kind: "settle" }
  | { readonly kind: "flush" }
  | { readonly kind: "advance"; readonly ms: number }
  /** Begun, and not waited for. */
  | { readonly kind: "checkpoint" }
  | { readonly kind: "reopen" }
  | { readonly kind: "kill"; readonly actor: string }

/** The state of a store: "table/key" to the number of the commit that wrote the value. */
export type Model = Map<string, number>

export interface HistoryCommit {
  readonly n: number
  readonly level: Durability
  /** "table/key" and the number written, or undefined for a delete; in order. */
  readonly effects: readonly (readonly [string, number | undefined])[]
  /** Undefined until a receipt has come. */
  lsn: number | undefined
  /** Operations of the disk that had ended when the commit was acknowledged; infinite for one that was not. */
  ackedAt: number
  outcome: "pending" | "acknowledged" | "rejected" | "unknown"
}

export interface History {
  readonly commits: HistoryCommit[]
  readonly store: Store
}

const TABLES = ["t0", "t1", "t2"]
const KEYS = ["a", "b", "c", "d", "ключ", ""]
export const SHARDS = 3

export const table: fc.Arbitrary<string> = fc.constantFrom(...TABLES)
export const key: fc.Arbitrary<string> = fc.constantFrom(...KEYS)
export const level: fc.Arbitrary<Durability> = fc.constantFrom("synced", "synced", "synced", "written", "memory")
export const place: fc.Arbitrary<string> = fc.tuple(table, key).map(([t, k]) => `${t}/${k}`)

/** Steps without restarts; weights make histories that write much and wait little, so that commits overlap. */
const plainStep: fc.Arbitrary<Step> = fc.oneof(
  { weight: 8, arbitrary: fc.record({ kind: fc.constant("put" as const), table, key, size: fc.nat(300), level }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("delete" as const), table, key, level }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("update" as const), table, key, level }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("batch" as const),
      puts: fc.array(place, { minLength: 1, maxLength: 5 }),
      deletes: fc.array(place, { maxLength: 2 }),
      level,
    }),
  },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant("turns" as const), count: fc.integer({ min: 1, max: 40 }) }) },
  { weight: 1, arbitrary: fc.constant({ kind: "settle" as const }) },
  { weight: 1, arbitrary: fc.constant({ kind: "flush" as const }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("advance" as const), ms: fc.constantFrom(1, 50, 200) }) },
)

export const restartStep: fc.Arbitrary<Step> = fc.oneof(
  { weight: 2, arbitrary: fc.constant({ kind: "reopen" as const }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant("kill" as const),
      actor: fc.constantFrom(
        "shards/shard-0",
        "shards/shard-1",
        "shards/shard-2",
        "log/wal-writer",
        "log/recoverer",
        "change-publisher",
      ),
    }),
  },
)

/** `restarts`: how many of a hundred steps reopen the store or kill an actor. */
export function historyArbitrary(maxLength: number, restarts: number): fc.Arbitrary<Step[]> {
  const step = fc.oneof({ weight: 100 - restarts, arbitrary: plainStep }, { weight: restarts, arbitrary: restartStep })
  return fc.array(step, { minLength: Math.ceil(maxLength / 3), maxLength, size: "max" })
}

export async function runHistory(
  platform: SimulatedPlatform,
  steps: readonly Step[],
  segmentBytes: number,
  onCommit?: (history: History) => void,
  keep?: KeepOptions,
): Promise<History> {
  const disk = platform.fileSystem
  let store = await openStore(platform, segmentBytes, keep)
  const commits: HistoryCommit[] = []
  let promises: Promise<void>[] = []

  const track = (
    level: Durability,
    effects: HistoryCommit["effects"],
    receipt: Promise<{ readonly lsn: number }>,
    n: number,
  ): void => {
    const commit: HistoryCommit = { n, level, effects, lsn: undefined, ackedAt: Infinity, outcome: "pending" }
    commits.push(commit)
    promises.push(
      receipt.then(
        ({ lsn }) => {
          commit.lsn = lsn
          commit.outcome = "acknowledged"
          if (level === "synced") commit.ackedAt = disk.operationCount
        },
        (error: { readonly code?: string; readonly lsn?: number }) => {
          commit.outcome = error.code === "ORRERY_COMMIT_UNKNOWN" ? "unknown" : "rejected"
        },
      ),
    )
    onCommit?.({ commits, store })
  }
  const settle = async (): Promise<void> => {
    const waiting = promises
    promises = []
    // A delayed sync is due only when time passes.
    await untilSettled(platform, Promise.all(waiting))
  }

  let n = 0
  for (const step of steps) {
    switch (step.kind) {
      case "put": {
        n++
        const value = { n, pad: "x".repeat(step.size) }
        track(
          step.level,
          [[`${step.table}/${step.key}`, n]],
          store.table<Entry>(step.table).put(step.key, value, { durability: step.level }),
          n,
        )
        break
      }
      case "delete": {
        n++
        track(
          step.level,
          [[`${step.table}/${step.key}`, undefined]],
          store.table(step.table).delete(step.key, { durability: step.level }),
          n,
        )
        break
      }
      case "update": {
        n++
        const mine = n
        const change = (old: Entry | undefined): Entry => ({ n: mine, pad: (old?.pad ?? "").slice(0, 100) + "u" })
        track(
          step.level,
          [[`${step.table}/${step.key}`, n]],
          store.table<Entry>(step.table).update(step.key, change, { durability: step.level }),
          n,
        )
        break
      }
      case "batch": {
        n++
        const mine = n
        const effects: [string, number | undefined][] = []
        const current = store
        const receipt = current.batch(
          (batch) => {
            for (const target of step.puts) {
              const [name, id] = split(target)
              const pad = step.size === undefined ? target : "x".repeat(step.size)
              batch.put(current.table<Entry>(name), id, { n: mine, pad })
              effects.push([target, mine])
            }
            for (const target of step.deletes) {
              const [name, id] = split(target)
              batch.delete(current.table(name), id)
              effects.push([target, undefined])
            }
          },
          { durability: step.level },
        )
        track(step.level, effects, receipt, n)
        break
      }
      case "turns":
        for (let turn = 0; turn < step.count; turn++) await Promise.resolve()
        break
      case "settle":
        await settle()
        break
      case "flush":
        await untilSettled(platform, store.flush())
        break
      case "advance":
        platform.clock.advance(step.ms)
        break
      case "checkpoint":
        promises.push(store.checkpoint().then(() => undefined, ignoreFailure))
        break
      case "reopen":
        await untilSettled(platform, store.close())
        store = await openStore(platform, segmentBytes, keep)
        onCommit?.({ commits, store })
        break
      case "kill":
        await untilSettled(platform, store.killActor(`store/${step.actor}`, new Error("killed by the test")))
        break
    }
  }
  await settle()
  await untilSettled(platform, store.ready())
  return { commits, store }
}

/** Lets simulated time pass until the work is done. */
export async function untilSettled<T>(platform: SimulatedPlatform, work: Promise<T>): Promise<T> {
  let isDone = false
  const watched = work.finally(() => {
    isDone = true
  })
  watched.catch(() => undefined)
  for (let round = 0; !isDone && round < 10_000; round++) {
    await new Promise<void>((resolve) => setImmediate(resolve))
    if (!isDone && round > 3) platform.clock.advance(50)
  }
  return watched
}

export function openStore(platform: SimulatedPlatform, segmentBytes: number, keep: KeepOptions = {}): Promise<Store> {
  return open("/data", { platform, shards: SHARDS, segmentBytes, keep })
}

/** A checkpoint ends with the life of what makes it, and fails with the disk: nobody's write depends on it. */
function ignoreFailure(error: unknown): void {
  if (!(error instanceof OrreryError)) throw error
}

/** Everything in a store. */
export function contentOf(store: { tables(): string[]; table<Value>(name: string): TableView<Value> }): Model {
  const model: Model = new Map()
  for (const name of store.tables()) {
    for (const [id, value] of store.table<Entry>(name).entries()) model.set(`${name}/${id}`, value.n)
  }
  return model
}

/** The state behind the commits with an LSN of at most `lsn`. */
export function modelAt(commits: readonly HistoryCommit[], lsn: number): Model {
  const model: Model = new Map()
  for (const commit of commits) {
    if (commit.lsn === undefined || commit.lsn > lsn) continue
    for (const [target, n] of commit.effects) {
      if (n === undefined) model.delete(target)
      else model.set(target, n)
    }
  }
  return model
}

function split(target: string): [string, string] {
  const slash = target.indexOf("/")
  return [target.slice(0, slash), target.slice(slash + 1)]
}

/** One line for each difference. */
export function differences(actual: Model, expected: Model): string[] {
  const lines: string[] = []
  for (const [target, n] of expected) {
    if (actual.get(target) !== n) lines.push(`${target} is ${actual.get(target) ?? "missing"}, expected ${n}`)
  }
  for (const [target, n] of actual) if (!expected.has(target)) lines.push(`${target} is ${n}, expected nothing`)
  return lines
}
