// Runs a history with prepared transactions on a store over the simulated disk, and keeps what an oracle outside would
// know: which commits were made, in which order, and what each of them is in the tables of users and of the engine.

import fc from "fast-check"
import { KeyInDoubt, OrreryError, TransactionConflict } from "../../src/index.ts"
import type { Store } from "../../src/index.ts"
import type { SimulatedPlatform } from "../../src/simulation/simulated-platform.ts"
import { openStore, untilSettled } from "./store-history.ts"
import type { Entry, Model } from "./store-history.ts"

export type PreparedStep =
  | { readonly kind: "put"; readonly key: string; readonly size: number }
  | { readonly kind: "prepare"; readonly keys: readonly string[]; readonly isAsynchronous: boolean }
  /** `which`: of those in doubt, by its place, beginning anew at the end. */
  | { readonly kind: "commit" | "abort"; readonly which: number }
  | { readonly kind: "turns"; readonly count: number }
  | { readonly kind: "settle" | "checkpoint" | "reopen" }
  | { readonly kind: "kill"; readonly actor: string }

/** One commit, as the log has it. */
export interface PreparedCommit {
  readonly lsn: number
  /** Operations of the disk that had ended when it was acknowledged. */
  readonly ackedAt: number
  readonly kind: "put" | "prepare" | "committed" | "aborted"
  /** Of the prepared transaction. */
  readonly id: string
  /** Keys that it writes, and the number that it writes there. */
  readonly keys: readonly string[]
  readonly n: number
}

export interface PreparedHistory {
  readonly commits: readonly PreparedCommit[]
  readonly store: Store
  /** Operations of the disk that had ended when the store was open for the first time. */
  readonly openedAt: number
  /** Prepares and puts that were refused because of what others hold. */
  readonly refused: number
}

/** What is to be in the tables: "table/key" to a number, 0 for the engine's own records; and who holds which key. */
export interface PreparedModel {
  readonly content: Model
  /** By id: the keys, and the number that they get. */
  readonly inDoubt: ReadonlyMap<string, { readonly keys: readonly string[]; readonly n: number }>
  readonly decided: ReadonlyMap<string, "committed" | "aborted">
}

const key = fc.constantFrom("a", "b", "c", "d", "e", "f", "ключ")

/** Of transactions that an actor's end has met: they left no trace. */
const MET_WHILE_REBUILDING: ReadonlySet<string> = new Set(["ORRERY_RESTARTING", "ORRERY_SNAPSHOT_EXPIRED"])

const step: fc.Arbitrary<PreparedStep> = fc.oneof(
  { weight: 5, arbitrary: fc.record({ kind: fc.constant("put" as const), key, size: fc.nat(700) }) },
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant("prepare" as const),
      keys: fc.uniqueArray(key, { minLength: 1, maxLength: 3 }),
      isAsynchronous: fc.boolean(),
    }),
  },
  {
    weight: 7,
    arbitrary: fc.record({
      kind: fc.constantFrom("commit" as const, "commit" as const, "abort" as const),
      which: fc.nat(5),
    }),
  },
  { weight: 5, arbitrary: fc.record({ kind: fc.constant("turns" as const), count: fc.integer({ min: 1, max: 60 }) }) },
  { weight: 4, arbitrary: fc.constant({ kind: "settle" as const }) },
  { weight: 2, arbitrary: fc.constant({ kind: "checkpoint" as const }) },
  { weight: 1, arbitrary: fc.constant({ kind: "reopen" as const }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("kill" as const),
      actor: fc.constantFrom("shards/shard-0", "shards/shard-1", "shards/shard-2", "log/wal-writer"),
    }),
  },
)

export const preparedSteps: fc.Arbitrary<PreparedStep[]> = fc.array(step, { minLength: 15, maxLength: 40, size: "max" })

export async function runPreparedHistory(
  platform: SimulatedPlatform,
  steps: readonly PreparedStep[],
  segmentBytes: number,
): Promise<PreparedHistory> {
  const commits: PreparedCommit[] = []
  let promises: Promise<unknown>[] = []
  let refused = 0
  let n = 0
  let store = await openStore(platform, segmentBytes)
  const openedAt = platform.fileSystem.operationCount
  const track = (
    kind: PreparedCommit["kind"],
    id: string,
    keys: readonly string[],
    mine: number,
    work: Promise<{ readonly lsn: number }>,
  ): void => {
    const done = work.then(
      ({ lsn }) => commits.push({ lsn, ackedAt: platform.fileSystem.operationCount, kind, id, keys, n: mine }),
      (error: unknown) => {
        if (error instanceof KeyInDoubt || error instanceof TransactionConflict) refused++
        else if (!(error instanceof OrreryError && MET_WHILE_REBUILDING.has(error.code))) throw error
      },
    )
    promises.push(done)
  }
  const settle = async (): Promise<void> => {
    const waiting = promises
    promises = []
    await untilSettled(platform, Promise.all(waiting))
  }
  for (const step of steps) {
    const table = store.table<Entry>("t")
    switch (step.kind) {
      case "put": {
        const value = { n: ++n, pad: "p".repeat(step.size) }
        track("put", "", [step.key], n, table.put(step.key, value))
        break
      }
      case "prepare": {
        const mine = ++n
        const id = `T${mine}`
        const work = store.transact(
          (tx) => {
            for (const target of step.keys) tx.update(table, target, () => ({ n: mine, pad: "prepared" }))
            tx.prepare(id, { keys: step.keys, n: mine })
            return step.isAsynchronous ? Promise.resolve() : undefined
          },
          { retries: 0 },
        )
        track("prepare", id, step.keys, mine, work)
        break
      }
      case "commit":
      case "abort": {
        const inDoubt = store.inDoubt()
        const chosen = inDoubt[step.which % Math.max(1, inDoubt.length)]
        if (chosen === undefined) break
        const { keys, n: written } = chosen.data as { readonly keys: readonly string[]; readonly n: number }
        if (step.kind === "commit") track("committed", chosen.id, keys, written, store.commitPrepared(chosen.id))
        else track("aborted", chosen.id, [], written, store.abortPrepared(chosen.id, "by the history"))
        break
      }
      case "turns":
        for (let turn = 0; turn < step.count; turn++) await Promise.resolve()
        break
      case "settle":
        await settle()
        break
      case "checkpoint":
        promises.push(
          store.checkpoint().catch((error: unknown) => {
            if (!(error instanceof OrreryError)) throw error
          }),
        )
        break
      case "reopen":
        await settle()
        await untilSettled(platform, store.close())
        store = await openStore(platform, segmentBytes)
        break
      case "kill":
        await untilSettled(platform, store.killActor(`store/${step.actor}`, new Error("killed by the test")))
        await untilSettled(platform, store.ready())
        break
    }
  }
  await settle()
  commits.sort((left, right) => left.lsn - right.lsn)
  return { commits, store, openedAt, refused }
}

/** The state behind the commits with an LSN of at most `lsn`. */
export function preparedModelAt(commits: readonly PreparedCommit[], lsn: number): PreparedModel {
  const content: Model = new Map()
  const inDoubt = new Map<string, { readonly keys: readonly string[]; readonly n: number }>()
  const decided = new Map<string, "committed" | "aborted">()
  for (const { kind, id, keys, n, lsn: at } of commits) {
    if (at > lsn) break
    if (kind === "prepare") {
      inDoubt.set(id, { keys, n })
      content.set(`orrery:prepared/${id}`, 0)
      continue
    }
    for (const target of keys) content.set(`t/${target}`, n)
    if (kind === "put") continue
    content.set(`orrery:decision-order/${decided.size}`, 0)
    content.set("orrery:decision-order/bounds", 0)
    content.set(`orrery:${kind}/${id}`, 0)
    content.delete(`orrery:prepared/${id}`)
    inDoubt.delete(id)
    decided.set(id, kind)
  }
  return { content, inDoubt, decided }
}
