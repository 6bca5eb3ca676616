// Transactions are isolated as they were asked to be: interleaved in every way that a seed can say, with conflicts, walks,
// crashes and actors that are killed, those that were committed can be replayed one after the other in the order of their
// LSNs, each reading what it read; at snapshot isolation, each reading one state, and no update is lost. Those that were
// not committed have left nothing, live or recovered.

import { expect, test } from "vitest"
import { crashStates } from "../../src/simulation/crash-states.ts"
import { SimulatedDisk } from "../../src/simulation/simulated-disk.ts"
import { simulatePlatform } from "../../src/simulation/simulated-platform.ts"
import type { Store } from "../../src/index.ts"
import { recoverDisk } from "./recovered-state.ts"
import { contentOf, differences, modelAt, openStore, untilSettled } from "./store-history.ts"
import { TransactionHistory, violations } from "./transaction-history.ts"
import type { Done, Plan } from "./transaction-history.ts"

/** Transactions of the default run; ORRERY_TRANSACTIONS asks for more. */
const TRANSACTION_COUNT = Number(process.env["ORRERY_TRANSACTIONS"] ?? 10_000)
const TRANSACTIONS_A_RUN = 2_000
const SEED = Number(process.env["ORRERY_SEED"] ?? 20_261_121)

interface Outcome {
  readonly history: TransactionHistory
  readonly disk: SimulatedDisk
  readonly retried: number
}

async function runPlan(plan: Plan, keepsTrace: boolean): Promise<Outcome> {
  const { seed } = plan
  const disk = new SimulatedDisk({ seed, keepsTrace })
  const platform = simulatePlatform({ seed, disk })
  const store = await untilSettled(platform, openStore(platform, keepsTrace ? 4096 : 1024 * 1024))
  const history = new TransactionHistory(platform, store, plan)
  await history.run()
  await untilSettled(platform, store.ready())
  expect(violations(history.done), `ORRERY_SEED=${SEED}, ${JSON.stringify(plan)}`).toEqual([])
  const end = modelAt(sorted(history), Infinity)
  expect(differences(contentOf(store), end), JSON.stringify(plan)).toEqual([])
  const { retried } = store.metrics().transactions
  await expectNothingKept(store, () => platform.clock.advance(1))
  await untilSettled(platform, store.close())
  const again = await untilSettled(platform, openStore(platform, keepsTrace ? 4096 : 1024 * 1024))
  expect(differences(contentOf(again), end), `reopened: ${JSON.stringify(plan)}`).toEqual([])
  await untilSettled(platform, again.close())
  return { history, disk, retried }
}

async function expectNothingKept(store: Store, advance: () => void): Promise<void> {
  for (let round = 0; round < 100 && store.metrics().tables.versionBytes > 0; round++) advance()
  expect([store.metrics().tables.versionBytes, store.metrics().snapshots.open]).toEqual([0, 0])
}

function sorted(history: TransactionHistory): TransactionHistory["commits"] {
  return history.commits.toSorted((a, b) => (a.lsn ?? 0) - (b.lsn ?? 0))
}

test("committed transactions can be replayed in the order of their LSNs", async () => {
  let count = 0
  let conflicts = 0
  let retried = 0
  for (let run = 0; count < TRANSACTION_COUNT; run++) {
    const plan: Plan = {
      seed: SEED + run * 7919,
      transactionCount: TRANSACTIONS_A_RUN,
      clientCount: [2, 4, 8, 16][run % 4] ?? 8,
      keyCount: [3, 6, 30][run % 3] ?? 6,
      level: "memory",
      kills: 0,
    }
    const outcome = await runPlan(plan, false)
    count += outcome.history.done.length
    conflicts += outcome.history.conflictCount
    retried += outcome.retried
  }
  console.log(`${count} transactions committed, ${retried} run anew, ${conflicts} given up; ORRERY_SEED=${SEED}`)
  expect(retried).toBeGreaterThan(count / 20)
  expect(conflicts).toBeGreaterThan(0)
})

test("also while shards and the log's writer are killed, and at every level of durability", async () => {
  let ended = 0
  let count = 0
  for (let run = 0; run < 6; run++) {
    const plan: Plan = {
      seed: SEED + run * 104_729,
      transactionCount: 300,
      clientCount: 6,
      keyCount: 8,
      level: (["synced", "written", "memory"] as const)[run % 3] ?? "synced",
      kills: 4,
    }
    const { history } = await runPlan(plan, false)
    ended += history.endedCount
    count += history.done.length
  }
  console.log(`${count} transactions committed beside killed actors, ${ended} ended by them`)
  expect(ended).toBeGreaterThan(0)
  expect(count).toBeGreaterThan(600)
})

test("also where some are prepared, and committed or aborted some time later, beside killed actors too", async () => {
  const counts = { committed: 0, prepared: 0, aborted: 0, conflicts: 0 }
  for (let run = 0; run < 8; run++) {
    const plan: Plan = {
      seed: SEED + run * 15_485_863,
      transactionCount: 300,
      clientCount: [3, 8][run % 2] ?? 3,
      keyCount: [4, 12, 40][run % 3] ?? 12,
      level: (["memory", "synced"] as const)[run % 2] ?? "synced",
      kills: run < 4 ? 0 : 4,
      prepared: 40,
    }
    const { history } = await runPlan(plan, false)
    counts.committed += history.done.length
    counts.prepared += history.preparedCount
    counts.aborted += history.abortedCount
    counts.conflicts += history.conflictCount
  }
  console.log(`${JSON.stringify(counts)}; ORRERY_SEED=${SEED}`)
  expect(counts.prepared).toBeGreaterThan(300)
  expect(counts.aborted).toBeGreaterThan(50)
  expect(counts.conflicts).toBeGreaterThan(0)
  expect(counts.committed).toBeGreaterThan(600)
})

test("after a crash each is there whole or not at all, and every acknowledged one is", async () => {
  let states = 0
  for (let run = 0; run < 4; run++) {
    const plan: Plan = {
      seed: SEED + run * 1299709,
      transactionCount: 60,
      clientCount: 5,
      keyCount: 6,
      level: "synced",
      kills: 0,
    }
    const { history, disk } = await runPlan(plan, true)
    const commits = sorted(history)
    for (const state of crashStates(disk.trace(), { seed: plan.seed, limit: 300 })) {
      states++
      const tell = (): string => `${JSON.stringify(plan)}, ${state.describe()}`
      const { content, report } = await recoverDisk(state.mount(), 1, false)
      const acknowledged = commits.filter(({ ackedAt }) => ackedAt <= state.afterOperation)
      expect(report.lastLsn, tell()).toBeGreaterThanOrEqual(Math.max(0, ...acknowledged.map(({ lsn }) => lsn ?? 0)))
      expect(differences(content, modelAt(commits, report.lastLsn)), tell()).toEqual([])
    }
  }
  console.log(`${states} crash states recovered`)
  expect(states).toBeGreaterThan(500)
})

test("a sum that every transaction keeps is found by every one that adds it up", async () => {
  const platform = simulatePlatform({ seed: SEED })
  const store = await untilSettled(platform, openStore(platform, 1024 * 1024))
  const accounts = store.table<number>("accounts", { durability: "memory" })
  const names = Array.from({ length: 10 }, (_, n) => `account ${n}`)
  await accounts.putMany(names.map((name) => [name, 100] as const))
  const sums = new Set<number>()
  let chance = SEED
  const dice = (below: number): number => {
    chance = (Math.imul(chance, 1_103_515_245) + 12_345) >>> 0
    return (chance >>> 8) % below
  }
  const options = { durability: "memory", retries: 1_000 } as const
  const transfer = async (): Promise<void> => {
    await store.transact(async (tx) => {
      const [from, to, amount] = [names[dice(10)] ?? "", names[dice(10)] ?? "", dice(50)]
      const left = (tx.get(accounts, from) ?? 0) - amount
      for (let turn = dice(5); turn > 0; turn--) await Promise.resolve()
      if (left < 0) return
      tx.put(accounts, from, left)
      tx.update(accounts, to, (sum) => (sum ?? 0) + amount)
    }, options)
  }
  const add = async (): Promise<void> => {
    const { value } = await store.transact(async (tx) => {
      let sum = 0
      for (const amount of tx.values(accounts)) {
        sum += amount
        await Promise.resolve()
      }
      return sum
    }, options)
    sums.add(value)
    using snapshot = store.snapshot()
    sums.add([...snapshot.table<number>("accounts").values()].reduce((sum, amount) => sum + amount, 0))
  }
  for (let round = 0; round < 100; round++) {
    const work = Array.from({ length: 20 }, (_, n) => (n % 5 === 0 ? add() : transfer()))
    await untilSettled(platform, Promise.all(work))
  }
  expect([...sums]).toEqual([1000])
  expect([...accounts.values()].every((amount) => amount >= 0)).toBe(true)
  expect(store.metrics().transactions.retried).toBeGreaterThan(50)
  await untilSettled(platform, store.close())
})

test("histories that cannot have been are found", () => {
  const first: Done = {
    isolation: "serializable",
    lsn: 1,
    begin: 0,
    reads: [],
    counts: [],
    writes: new Map([["t/a", 1]]),
  }
  const second: Done = { ...first, lsn: 2, begin: 1, writes: new Map([["t/a", 2]]) }
  const reader: Done = {
    ...first,
    lsn: 3,
    begin: 1,
    reads: [["t/a", 2]],
    counts: [["t", 1]],
    writes: new Map([["t/b", 3]]),
  }
  expect(violations([reader, second, first])).toEqual([])
  expect(violations([first, second, { ...reader, reads: [["t/a", 1]] }])).toHaveLength(1)
  expect(violations([first, second, { ...reader, counts: [["t", 0]] }])).toHaveLength(1)
  expect(violations([first, second, { ...reader, isolation: "snapshot" }])).toHaveLength(1)
  const late: Done = { ...reader, isolation: "snapshot", reads: [["t/a", 1]] }
  expect(violations([first, second, late])).toEqual([])
  expect(violations([first, second, { ...late, writes: new Map([["t/a", 3]]) }])).toHaveLength(1)
  expect(violations([first, { ...second, writes: new Map([["t/b", 3]]) }, late])).toHaveLength(1)
})
