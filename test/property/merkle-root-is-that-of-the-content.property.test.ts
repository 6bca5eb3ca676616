// Whatever is written, deleted and transacted, killed, crashed and opened again with any number of shards, and whenever
// checkpoints are made of it: the root of a store is that of its content, hashed anew without a tree; and what is opened
// is never said to differ from a root that was written down.

import "../../src/actors/engine.ts"
import fc from "fast-check"
import { expect, test } from "vitest"
import { open } from "../../src/index.ts"
import type { Store } from "../../src/index.ts"
import { verifyStore } from "../../src/recovery/verify.ts"
import { crashStates } from "../../src/simulation/crash-states.ts"
import { simulatePlatform } from "../../src/simulation/simulated-platform.ts"
import type { SimulatedPlatform } from "../../src/simulation/simulated-platform.ts"
import { naiveRoot } from "../merkle/naive-root.ts"
import type { Content } from "../merkle/naive-root.ts"
import { untilSettled } from "./store-history.ts"

const RUN_COUNT = Number(process.env["ORRERY_RUNS"] ?? 25)
const SEED = Number(process.env["ORRERY_SEED"] ?? 5_019)

type Step =
  | {
      readonly kind: "put" | "delete" | "transact"
      readonly table: string
      readonly key: number
      readonly shape: number
    }
  | { readonly kind: "fill"; readonly table: string; readonly from: number }
  | { readonly kind: "clear"; readonly table: string }
  | { readonly kind: "turns" | "checkpoint" | "check" | "crash" | "pass" }
  | { readonly kind: "kill"; readonly actor: string }
  | { readonly kind: "reopen"; readonly shards: number; readonly isKept: boolean }

const table = fc.constantFrom("a", "b", "c")
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({
      kind: fc.constantFrom("put" as const, "put" as const, "delete" as const, "transact" as const),
      table,
      key: fc.nat(40),
      shape: fc.nat(4),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("fill" as const), table, from: fc.nat(100) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("clear" as const), table }) },
  {
    weight: 9,
    arbitrary: fc.record({
      kind: fc.constantFrom(
        "turns" as const,
        "checkpoint" as const,
        "check" as const,
        "crash" as const,
        "pass" as const,
      ),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("kill" as const),
      actor: fc.constantFrom("merkle", "checkpointer", "shards/shard-0", "log/wal-writer"),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("reopen" as const),
      shards: fc.integer({ min: 1, max: 5 }),
      isKept: fc.boolean(),
    }),
  },
)

function valueOf(shape: number, n: number): unknown {
  return [{ n }, { n, inner: { x: n } }, { inner: { x: n }, n }, [n, { n }], { [`field ${n}`]: n }][shape]
}

function openOn(platform: SimulatedPlatform, shards: number, isKept: boolean): Promise<Store> {
  const merkle = isKept ? { refreshMs: 50, recordMs: 100 } : false
  const options = { platform, shards, segmentBytes: 4096, checkpoint: false, keep: { checkpoints: 2 }, merkle } as const
  return untilSettled(platform, open("/data", options))
}

async function checkRoot(platform: SimulatedPlatform, store: Store, where: string): Promise<void> {
  await untilSettled(platform, store.ready())
  const { root, records } = await untilSettled(platform, store.merkleRoot())
  const content = store
    .tables()
    .flatMap((name) => [...store.table(name).entries()].map(([key, value]): Content => ({ table: name, key, value })))
  expect({ root, records }, where).toEqual({ root: naiveRoot(content), records: content.length })
  expect(store.recovery.merkle.result, where).not.toBe("failed")
}

/** Opens what a power cut would leave, at some moments of the disk's last operations. */
async function checkCrashes(platform: SimulatedPlatform, where: string, seed: number): Promise<number> {
  let count = 0
  let verified = 0
  for (const state of crashStates(platform.fileSystem.trace(), { seed })) {
    if (count++ % 97 > 0) continue
    const crashed = simulatePlatform({ seed, disk: state.mount() })
    const store = await openOn(crashed, 2, true)
    await checkRoot(crashed, store, `${where}, crash state ${count}`)
    if (store.recovery.merkle.result === "verified") verified++
    await untilSettled(crashed, store.close())
  }
  return verified
}

test("the root of a store is that of its content, and what is opened is what was written down", async () => {
  const histories = fc.sample(fc.array(step, { minLength: 15, maxLength: 50, size: "max" }), {
    numRuns: RUN_COUNT,
    seed: SEED,
  })
  let verified = 0
  let crashesVerified = 0
  for (const [index, steps] of histories.entries()) {
    const where = `history ${index} of ORRERY_SEED=${SEED}`
    let platform = simulatePlatform({ seed: SEED + index })
    let store = await openOn(platform, 3, true)
    let pending: Promise<unknown>[] = []
    let n = 0
    const track = (work: Promise<unknown>): void => {
      // What a crash takes fails, and nobody waits for it.
      pending.push(work.catch(() => undefined))
    }
    const settle = async (): Promise<void> => {
      await untilSettled(platform, Promise.all(pending))
      pending = []
    }
    for (const [at, one] of steps.entries()) {
      const place = `${where}, step ${at} (${one.kind})`
      n++
      switch (one.kind) {
        case "put":
          track(store.table(one.table).put(`key ${one.key}`, valueOf(one.shape, n)))
          break
        case "delete":
          track(store.table(one.table).delete(`key ${one.key}`))
          break
        case "transact": {
          const handle = store.table(one.table)
          const current = store
          track(
            store.transact((tx) => {
              tx.put(handle, `key ${one.key}`, valueOf(one.shape, n))
              tx.delete(current.table("b"), `key ${one.shape}`)
            }),
          )
          break
        }
        case "fill":
          track(
            store
              .table(one.table)
              .putMany(Array.from({ length: 30 }, (_, i) => [`key ${one.from + i}`, { n: i }] as const)),
          )
          break
        case "clear":
          for (const key of store.table(one.table).keys()) track(store.table(one.table).delete(key))
          break
        case "turns":
          for (let turn = 0; turn < 30; turn++) await Promise.resolve()
          break
        case "pass":
          for (let passed = 0; passed < 200; passed += 50) {
            platform.clock.advance(50)
            await new Promise<void>((resolve) => setImmediate(resolve))
          }
          break
        case "checkpoint":
          track(store.checkpoint())
          break
        case "check":
          await settle()
          await checkRoot(platform, store, place)
          break
        case "kill":
          await settle()
          await untilSettled(platform, store.killActor(`store/${one.actor}`, new Error("killed by the test")))
          await untilSettled(platform, store.ready())
          break
        case "crash": {
          const disk = platform.fileSystem.crash("kill")
          pending = []
          platform = simulatePlatform({ seed: SEED + index, disk })
          store = await openOn(platform, 3, true)
          await checkRoot(platform, store, place)
          if (store.recovery.merkle.result === "verified") verified++
          break
        }
        case "reopen":
          await settle()
          await untilSettled(platform, store.close())
          store = await openOn(platform, one.shards, one.isKept)
          await checkRoot(platform, store, place)
          if (store.recovery.merkle.result === "verified") verified++
          break
      }
    }
    await settle()
    await checkRoot(platform, store, where)
    await untilSettled(platform, store.close())
    const report = await verifyStore(platform, "/data")
    expect(report, where).toMatchObject({ verdict: "good", findingCount: 0 })
    if (index % 5 === 0) crashesVerified += await checkCrashes(platform, where, SEED + index)
  }
  console.log(`${RUN_COUNT} histories, ${verified} openings and ${crashesVerified} crash states verified by a root`)
  expect(verified).toBeGreaterThan(RUN_COUNT / 2)
  expect(crashesVerified).toBeGreaterThan(0)
})
