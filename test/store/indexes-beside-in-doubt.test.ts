// Indexes that are made while transactions are in doubt: what was promised before can be committed afterwards.

import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { IndexKeyInDoubt, KeyInDoubt, UniqueViolation } from "../../src/index.ts"
import type { Store, TableHandle } from "../../src/index.ts"
import { simulatePlatform } from "../../src/simulation/simulated-platform.ts"
import { openStore, untilSettled } from "../property/store-history.ts"
import { temporaryStore } from "./temporary-store.ts"

interface User {
  readonly email: string
}

const byEmail = { of: (user: User) => user.email, unique: true } as const

async function withUsers(users: Readonly<Record<string, string>>): Promise<[Store, TableHandle<User>]> {
  const store = await temporaryStore({ durability: "memory" })
  const table = store.table<User>("users")
  await table.putMany(Object.entries(users).map(([key, email]) => [key, { email }] as const))
  return [store, table]
}

/** Puts the users, and deletes those without an address. */
function prepare(store: Store, id: string, users: Readonly<Record<string, string | undefined>>): Promise<unknown> {
  const table = store.table<User>("users")
  return store.transact(
    (tx) => {
      for (const [key, email] of Object.entries(users)) {
        if (email === undefined) tx.delete(table, key)
        else tx.put(table, key, { email })
      }
      tx.prepare(id)
    },
    { retries: 0 },
  )
}

describe("a unique index that is made while a transaction is in doubt", () => {
  test("is refused, with the transaction's id, where its COMMIT would be a violation; and can be made when that is decided", async () => {
    const [store, table] = await withUsers({ ada: "a" })
    await prepare(store, "T", { eve: "a" })
    const refused: unknown = await table.createIndex("email", byEmail).catch((error: unknown) => error)
    expect(refused).toBeInstanceOf(IndexKeyInDoubt)
    expect(refused).toMatchObject({ table: "users", index: "email", id: "T", key: "eve", value: "a", holder: "ada" })
    expect(table.indexes()).toEqual([])
    await store.commitPrepared("T")
    await expect(table.createIndex("email", byEmail)).rejects.toBeInstanceOf(UniqueViolation)
    await table.put("eve", { email: "e" })
    expect([...(await table.createIndex("email", byEmail)).keys()]).toEqual(["ada", "eve"])
  })

  test("is refused where two of them would get one key, in whatever order they are decided", async () => {
    const [store, table] = await withUsers({ ada: "a", bob: "b" })
    await prepare(store, "T1", { bob: undefined, eve: "e" })
    await prepare(store, "T2", { fay: "e" })
    await expect(table.createIndex("email", byEmail)).rejects.toMatchObject({ id: "T2", key: "fay", holder: "eve" })
    await store.abortPrepared("T2")
    await prepare(store, "T3", { gus: "b" })
    // Only the COMMIT of T1 would free it.
    await expect(table.createIndex("email", byEmail)).rejects.toMatchObject({ id: "T3", key: "gus", holder: "bob" })
  })

  test("keeps others from the table until they are decided, and no decision from being made", async () => {
    const [store, table] = await withUsers({ ada: "a", bob: "b" })
    await prepare(store, "T1", { ada: "b2", bob: "a" })
    await prepare(store, "T2", { eve: "e" })
    await expect(prepare(store, "T1", {})).rejects.toMatchObject({ code: "ORRERY_PREPARE_ID_REUSED" })
    await table.put("zoe", { email: "z" })
    await prepare(store, "T3", { zoe: undefined, yan: "z" })
    await table.createIndex("email", byEmail)
    const inTheWay = table.put("fay", { email: "e" })
    await expect(inTheWay).rejects.toBeInstanceOf(KeyInDoubt)
    await expect(inTheWay).rejects.toMatchObject({ table: "users", key: "fay" })
    await store.commitPrepared("T3")
    await store.commitPrepared("T1")
    await expect(table.put("fay", { email: "e" })).rejects.toMatchObject({ id: "T2" })
    await store.commitPrepared("T2")
    await expect(table.put("fay", { email: "e" })).rejects.toBeInstanceOf(UniqueViolation)
    expect([...table.index("email").keys()]).toEqual(["bob", "ada", "eve", "yan"])
  })

  test("gives way to a COMMIT that comes while it is being built", async () => {
    const [store, table] = await withUsers({})
    for (let first = 0; first < 20_000; first += 1_000) {
      await table.putMany(
        Array.from({ length: 1_000 }, (_, n) => [`u${first + n}`, { email: `${first + n}` }] as const),
      )
    }
    await prepare(store, "T", { u1: "2" })
    let committed: Promise<unknown> | undefined
    const making = table.createIndex("email", byEmail, {
      onProgress: ({ doneRecords }) => {
        if (doneRecords > 10_000) committed ??= store.commitPrepared("T")
      },
    })
    // Whoever has come to the other record first tells of it: the COMMIT, or the build behind it.
    const refusal = expect.stringMatching(/^ORRERY_(INDEX_KEY_IN_DOUBT|UNIQUE_VIOLATION)$/)
    await expect(making).rejects.toMatchObject({ code: refusal })
    expect(committed).toBeDefined()
    await committed
    expect([table.get("u1"), store.outcome("T")?.outcome]).toEqual([{ email: "2" }, "committed"])
  })

  test("that was declared with the table stays failed, refuses puts with the reason, but not the COMMIT", async () => {
    const [store] = await withUsers({ ada: "a" })
    await prepare(store, "T", { eve: "a" })
    const table = store.table<User, { email: (user: User) => string }>("users", {
      indexes: { email: (user) => user.email },
      unique: ["email"],
    })
    await expect(table.indexReady()).rejects.toMatchObject({ code: "ORRERY_INDEX_KEY_IN_DOUBT", id: "T" })
    await store.commitPrepared("T")
    expect(table.get("eve")).toEqual({ email: "a" })
    await expect(table.put("fay", { email: "f" })).rejects.toBeInstanceOf(IndexKeyInDoubt)
  })

  test("declared again after a crash finds what was prepared beside it, and holds it still", async () => {
    const platform = simulatePlatform({ seed: 3 })
    const users = (store: Store): TableHandle<User, { email: (user: User) => string }> =>
      store.table("users", { indexes: { email: (user: User) => user.email }, unique: ["email"] })
    const store = await untilSettled(platform, openStore(platform, 65_536))
    await untilSettled(platform, users(store).put("ada", { email: "a" }))
    await untilSettled(platform, prepare(store, "T", { ada: undefined, eve: "a" }))
    const after = simulatePlatform({ seed: 4, disk: platform.fileSystem.crash("nothing") })
    const again = await untilSettled(after, openStore(after, 65_536))
    const table = users(again)
    await untilSettled(after, table.indexReady())
    await expect(untilSettled(after, table.put("fay", { email: "f" }))).rejects.toBeInstanceOf(KeyInDoubt)
    await untilSettled(after, again.commitPrepared("T"))
    expect([...table.index("email").keys()]).toEqual(["eve"])
    await untilSettled(after, again.close())
  })
})

test("an index whose function refuses what was prepared is refused, with the cause", async () => {
  const [store, table] = await withUsers({ ada: "a" })
  await prepare(store, "T", { eve: "e".repeat(2_000) })
  const refused = table.createIndex("email", (user: User) => user.email)
  await expect(refused).rejects.toBeInstanceOf(IndexKeyInDoubt)
  await expect(refused).rejects.toMatchObject({
    id: "T",
    key: "eve",
    value: undefined,
    cause: { code: "ORRERY_INDEX_KEY_REFUSED" },
  })
  await store.commitPrepared("T")
  expect(table.size).toBe(2)
})

test("with an index that was made, all that is in doubt can be committed in any order, and nothing else breaks it", async () => {
  const key = fc.constantFrom("k0", "k1", "k2", "k3", "k4", "k5")
  const email = fc.constantFrom("a", "b", "c", "d", "e", "f")
  const writes = fc.dictionary(key, fc.option(email, { nil: undefined }), { minKeys: 1, maxKeys: 3 })
  const scene = fc.record({
    there: fc.dictionary(key, email),
    prepared: fc.array(writes, { minLength: 1, maxLength: 3 }),
    decisions: fc.array(fc.boolean(), { minLength: 3, maxLength: 3 }),
    isReversed: fc.boolean(),
  })
  let made = 0
  let refused = 0
  const platform = simulatePlatform({ seed: 5 })
  const store = await untilSettled(platform, openStore(platform, 1024 * 1024))
  await fc.assert(
    fc.asyncProperty(scene, async ({ there, prepared, decisions, isReversed }) => {
      const run = made + refused
      const table = store.table<User>("users")
      for (const other of table.keys()) await table.delete(other)
      await table.putMany(Object.entries(there).map(([name, address]) => [name, { email: address }] as const))
      const ids: string[] = []
      for (const [n, users] of prepared.entries()) {
        const id = `${run}/${n}`
        const isFree = await prepare(store, id, users).then(
          () => true,
          () => false,
        )
        if (isFree) ids.push(id)
      }
      const index = await table.createIndex("email", byEmail).catch((error: unknown) => error)
      if (index instanceof Error) refused++
      else made++
      for (const [n, id] of (isReversed ? ids.toReversed() : ids).entries()) {
        if (decisions[n] === true) await store.commitPrepared(id)
        else await store.abortPrepared(id)
        if (index instanceof Error) continue
        const found = [...table.entries()].map(([name, user]) => `${user.email} ${name}`)
        expect([...table.index("email").entries()].length).toBe(found.length)
        expect(new Set([...table.values()].map((user) => user.email)).size).toBe(found.length)
      }
      if (!(index instanceof Error)) table.dropIndex("email")
    }),
    { numRuns: 150 },
  )
  expect(made).toBeGreaterThan(10)
  expect(refused).toBeGreaterThan(10)
  await untilSettled(platform, store.close())
})
