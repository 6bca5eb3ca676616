// What a consumer writes happens once for each commit, whatever is killed and wherever the power goes: at every moment
// the effects in the store are those of the commits up to the consumer's position, and of no others; and a run that goes on
// after the crash ends with the effects of all of them.

import fc from "fast-check"
import { expect, test } from "vitest"
import type { BatchHandler, Commit, Consumer, Store, Transaction } from "../../src/index.ts"
import { crashStates } from "../../src/simulation/crash-states.ts"
import { SimulatedDisk } from "../../src/simulation/simulated-disk.ts"
import { simulatePlatform } from "../../src/simulation/simulated-platform.ts"
import type { SimulatedPlatform } from "../../src/simulation/simulated-platform.ts"
import { openStore, untilSettled } from "./store-history.ts"

const SEGMENT_BYTES = 4096
/** States in the default run; ORRERY_CRASH_STATES asks for more. */
const STATE_COUNT = Number(process.env["ORRERY_CRASH_STATES"] ?? 250)
const SEED = Number(process.env["ORRERY_SEED"] ?? 55_001)
const KEYS = ["a", "b", "c"]
/** The handler fails at this one, however often it is tried. */
const POISON = 7

interface Setting {
  readonly isAsync: boolean
  readonly batch: number
  /** Whether it sees all tables, the ones that it writes to included. */
  readonly isOpenEyed: boolean
  readonly durability: "synced" | "memory"
}

type Step =
  | { readonly kind: "put"; readonly key: string; readonly value: number }
  | { readonly kind: "delete"; readonly key: string }
  | { readonly kind: "turns"; readonly count: number }
  | { readonly kind: "advance"; readonly ms: number }
  | { readonly kind: "checkpoint" }
  | { readonly kind: "reopen" }
  | { readonly kind: "kill"; readonly actor: string }

const key = fc.constantFrom(...KEYS)
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 8, arbitrary: fc.record({ kind: fc.constant("put" as const), key, value: fc.nat(9) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("delete" as const), key }) },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant("turns" as const), count: fc.integer({ min: 1, max: 8 }) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("advance" as const), ms: fc.constantFrom(20, 200) }) },
  { weight: 1, arbitrary: fc.constant({ kind: "checkpoint" as const }) },
  { weight: 1, arbitrary: fc.constant({ kind: "reopen" as const }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("kill" as const),
      actor: fc.constantFrom("log/wal-writer", "shards/shard-1", "change-publisher", "consumers"),
    }),
  },
)
const setting: fc.Arbitrary<Setting> = fc.record({
  isAsync: fc.boolean(),
  batch: fc.constantFrom(1, 3),
  isOpenEyed: fc.boolean(),
  durability: fc.constantFrom("synced" as const, "memory" as const),
})

/** Keeps, for each key of "in", a running text of what was done to it: nothing can be missing or there twice. */
function fold(texts: Map<string, string>, commit: Pick<Commit, "changes">): void {
  for (const { table, key: id, kind, value } of commit.changes) {
    if (table === "in") texts.set(id, `${texts.get(id) ?? ""}${kind === "put" ? String(value) : "-"}`)
  }
}

function isPoison(commit: Commit): boolean {
  return commit.changes.some(({ table, value }) => table === "in" && value === POISON)
}

function consume(store: Store, { isAsync, batch, isOpenEyed, durability }: Setting): Consumer {
  const out = store.table<string>("out")
  const write = (commits: readonly Commit[], tx: Transaction): void => {
    for (const commit of commits) {
      for (const { table, key: id, kind, value } of commit.changes) {
        if (table === "in") tx.update(out, id, (text) => `${text ?? ""}${kind === "put" ? String(value) : "-"}`)
        else tx.update(out, "foreign", (text) => `${text ?? ""}${table}/${id} `)
      }
      if (isPoison(commit)) throw new Error("poison")
    }
  }
  const handler: BatchHandler = isAsync
    ? async (commits, tx) => {
        await Promise.resolve()
        write(commits, tx)
      }
    : write
  return store.consume("copy", handler, {
    ...(isOpenEyed ? {} : { table: "in" }),
    from: "beginning",
    batch: { commits: batch },
    retry: { attempts: 2, firstMs: 10 },
    durability,
  })
}

/** What "out" must hold, by the log: the effects of commits up to the position, the poisoned ones among the letters. */
async function expectedAt(store: Store, position: number): Promise<{ out: Map<string, string>; letters: number[] }> {
  const out = new Map<string, string>()
  const letters: number[] = []
  const end = store.metrics().log.durableLsn
  const stream = store.changes({ after: 0, table: "in" })
  const iterator = stream[Symbol.asyncIterator]()
  while (stream.position < end) {
    const next = iterator.next()
    for (let turn = 0; turn < 20 && stream.position < end; turn++) await new Promise<void>((go) => setImmediate(go))
    if (stream.position >= end) {
      stream.close()
      const last = await next
      if (last.done !== true) take(last.value)
      break
    }
    const { value } = await next
    if (value !== undefined) take(value)
  }
  return { out, letters }

  function take(commit: Commit): void {
    if (commit.lsn > position) return
    if (isPoison(commit)) letters.push(commit.lsn)
    else fold(out, commit)
  }
}

async function check(store: Store, position: number, where: string): Promise<void> {
  const { out, letters } = await expectedAt(store, position)
  const actual = new Map(store.table<string>("out").entries())
  expect(sorted(actual), where).toEqual(sorted(out))
  const found = store.consumers().length === 0 ? [] : store.consumer("copy").deadLetters()
  expect(
    found.map(({ lsn }) => lsn),
    where,
  ).toEqual(letters)
}

function sorted(texts: Map<string, string>): [string, string][] {
  return [...texts].sort(([left], [right]) => (left < right ? -1 : 1))
}

/** Lets time pass until the consumer has nothing left to do. */
async function untilIdle(platform: SimulatedPlatform, store: Store, consumer: Consumer): Promise<void> {
  await untilSettled(platform, store.flush())
  for (let round = 0; round < 3_000; round++) {
    await new Promise<void>((resolve) => setImmediate(resolve))
    if (round > 3) platform.clock.advance(50)
    if (consumer.state === "running" && consumer.lag === 0) return
  }
  throw new Error(`it does not come to rest: ${JSON.stringify(consumer.info)}`)
}

test("effects are those of the commits up to the position, at every crash, and of all of them in the end", async () => {
  const histories = fc.sample(
    fc.tuple(fc.array(step, { minLength: 15, maxLength: 45, size: "max" }), setting, fc.nat(1e6)),
    {
      numRuns: 200,
      seed: SEED,
    },
  )
  let states = 0
  for (const [index, [steps, options, seed]] of histories.entries()) {
    if (states >= STATE_COUNT) break
    const disk = new SimulatedDisk({ seed, keepsTrace: true })
    const platform = simulatePlatform({ seed, disk })
    const keep = { checkpoints: 100 }
    let store = await openStore(platform, SEGMENT_BYTES, keep)
    let consumer = consume(store, options)
    const waiting: Promise<unknown>[] = []
    for (const now of steps) {
      if (now.kind === "put")
        waiting.push(
          store
            .table("in")
            .put(now.key, now.value)
            .catch(() => undefined),
        )
      else if (now.kind === "delete")
        waiting.push(
          store
            .table("in")
            .delete(now.key)
            .catch(() => undefined),
        )
      else if (now.kind === "advance") platform.clock.advance(now.ms)
      else if (now.kind === "checkpoint") waiting.push(store.checkpoint().catch(() => undefined))
      else if (now.kind === "kill") {
        await untilSettled(platform, store.killActor(`store/${now.actor}`, new Error("killed by the test")))
      } else if (now.kind === "reopen") {
        await untilSettled(platform, store.close())
        store = await openStore(platform, SEGMENT_BYTES, keep)
        consumer = consume(store, options)
      } else for (let turn = 0; turn < now.count; turn++) await new Promise<void>((resolve) => setImmediate(resolve))
    }
    const where = `history ${index} of ORRERY_SEED=${SEED}, ${JSON.stringify(options)}`
    await untilSettled(platform, Promise.all(waiting))
    await untilSettled(platform, store.ready())
    await untilIdle(platform, store, consumer)
    await check(store, Number.POSITIVE_INFINITY, where)
    await untilSettled(platform, store.close())

    for (const state of crashStates(disk.trace(), { seed, limit: 25 })) {
      states++
      const machine = simulatePlatform({ seed, disk: state.mount({ keepsTrace: false }) })
      const again = await openStore(machine, SEGMENT_BYTES, keep)
      const what = `${where}\n${state.describe()}`
      const position = again.consumers()[0]?.position ?? 0
      await check(again, position, what)
      const next = consume(again, options)
      await untilIdle(machine, again, next)
      await check(again, Number.POSITIVE_INFINITY, `${what}\nand then`)
      await untilSettled(machine, again.close())
    }
  }
  console.log(`${states} states, ORRERY_SEED=${SEED}`)
  expect(states).toBeGreaterThanOrEqual(STATE_COUNT)
})
