// Unique indexes: what they refuse, and what they must let pass.

import { describe, expect, onTestFinished, test } from "vitest"
import { open, UniqueViolation } from "../../src/index.ts"
import type { Store, TableHandle } from "../../src/index.ts"
import { simulatePlatform } from "../../src/simulation/simulated-platform.ts"
import { untilSettled } from "../property/store-history.ts"
import { temporaryStore } from "./temporary-store.ts"

interface User {
  readonly email?: string
  readonly names?: readonly string[]
}

type Users = TableHandle<User, { readonly names: string; readonly email: string }>

function usersOf(store: Store): Users {
  return store.table("users", { indexes: { names }, unique: ["email", "names"] })
}

const names = { many: true, of: (user: User) => user.names, version: 1 } as const

async function withUsers(): Promise<readonly [Store, Users]> {
  const store = await temporaryStore()
  const users = usersOf(store)
  await users.put("ada", { email: "ada@x" })
  await users.put("alan", { email: "alan@x", names: ["a", "t"] })
  return [store, users]
}

/** Fails unless the work fails so, and leaves the table and its indexes as they were. */
async function expectViolation(users: Users, work: () => Promise<unknown>, fields: object): Promise<void> {
  const before = [Object.fromEntries(users), [...users.index("email").pairs()], [...users.index("names").pairs()]]
  const failed = work()
  await expect(failed).rejects.toBeInstanceOf(UniqueViolation)
  await expect(failed).rejects.toMatchObject({ code: "ORRERY_UNIQUE_VIOLATION", table: "users", ...fields })
  expect([Object.fromEntries(users), [...users.index("email").pairs()], [...users.index("names").pairs()]]).toEqual(
    before,
  )
}

describe("a unique index", () => {
  test("refuses a key that another record has, whatever the way of writing", async () => {
    const [store, users] = await withUsers()
    const fields = { index: "email", value: "ada@x", key: "eve", holder: "ada" }
    const eve = { email: "ada@x" }
    await expectViolation(users, () => users.put("eve", eve), fields)
    await expectViolation(
      users,
      () =>
        users.putMany([
          ["bob", {}],
          ["eve", eve],
        ]),
      fields,
    )
    await expectViolation(users, () => users.update("eve", () => eve), fields)
    await expectViolation(users, () => store.batch((batch) => batch.put(users, "eve", eve)), fields)
    await expectViolation(users, () => store.transact((tx) => tx.put(users, "eve", eve)), fields)
    await expectViolation(
      users,
      () =>
        store.transact(async (tx) => {
          await Promise.resolve()
          tx.put(users, "eve", eve)
        }),
      fields,
    )
    expect(store.metrics().indexes.violations).toBe(6)
  })

  test("lets a record keep its key, and any number have none", async () => {
    const [, users] = await withUsers()
    await users.put("ada", { email: "ada@x", names: ["l"] })
    await users.put("bob", {})
    await users.put("eve", {})
    expect(users.index("email").count()).toBe(2)
    expect(users.index("names").find("l")).toBe("ada")
  })

  test("lets a key pass on when its record goes or changes", async () => {
    const [, users] = await withUsers()
    await users.delete("ada")
    await users.put("eve", { email: "ada@x" })
    await users.put("alan", {})
    await users.put("bob", { email: "alan@x", names: ["t"] })
    expect([users.index("email").find("ada@x"), users.index("names").find("t")]).toEqual(["eve", "bob"])
  })

  test("judges the state behind a commit: two records may change their keys with each other", async () => {
    const [store, users] = await withUsers()
    await store.batch((batch) => {
      batch.put(users, "ada", { email: "alan@x" })
      batch.put(users, "alan", { email: "ada@x" })
    })
    expect([...users.index("email").pairs()]).toEqual([
      ["ada@x", "alan"],
      ["alan@x", "ada"],
    ])
    await store.transact((tx) => {
      tx.put(users, "eve", { email: "ada@x" })
      tx.delete(users, "alan")
    })
    expect(users.index("email").find("ada@x")).toBe("eve")
    await store.batch((batch) => {
      batch.put(users, "bob", { email: "ada@x" })
      batch.put(users, "bob", { email: "bob@x" })
    })
    expect(users.index("email").find("bob@x")).toBe("bob")
  })

  test("refuses a key that two records get in one commit", async () => {
    const [store, users] = await withUsers()
    const both = (): Promise<unknown> =>
      store.batch((batch) => {
        batch.put(users, "bob", { email: "same@x" })
        batch.put(users, "eve", { email: "same@x" })
      })
    await expectViolation(users, both, { index: "email", value: "same@x", key: "eve", holder: "bob" })
    // Alan gives his key away, but takes it back.
    const kept = (): Promise<unknown> =>
      store.batch((batch) => {
        batch.delete(users, "alan")
        batch.put(users, "eve", { email: "alan@x" })
        batch.put(users, "alan", { email: "alan@x" })
      })
    await expectViolation(users, kept, { value: "alan@x" })
  })

  test("with many keys a record refuses each of them to others, and may have one twice itself", async () => {
    const [, users] = await withUsers()
    const fields = { index: "names", value: "t", key: "eve", holder: "alan" }
    await expectViolation(users, () => users.put("eve", { names: ["e", "t"] }), fields)
    await users.put("eve", { names: ["e", "e"] })
    await users.put("eve", { names: ["f", "e"] })
    expect([...users.index("names").keys()]).toEqual(["alan", "eve", "eve", "alan"])
  })

  test("counts writes that are not durable yet", async () => {
    const [, users] = await withUsers()
    const first = users.put("bob", { email: "new@x" }, { durability: "memory" })
    const second = users.put("eve", { email: "new@x" })
    await expect(second).rejects.toMatchObject({ holder: "bob" })
    await first
  })

  test("lets one of many asynchronous transactions win that want the same key", async () => {
    const [store, users] = await withUsers()
    const outcomes = await Promise.allSettled(
      Array.from({ length: 20 }, (_, n) =>
        store.transact(async (tx) => {
          for (let turn = 0; turn < n % 4; turn++) await Promise.resolve()
          tx.put(users, `u${n}`, { email: "wanted@x" })
          await Promise.resolve()
        }),
      ),
    )
    expect(outcomes.filter(({ status }) => status === "fulfilled")).toHaveLength(1)
    for (const outcome of outcomes) {
      if (outcome.status === "rejected") expect(outcome.reason).toBeInstanceOf(UniqueViolation)
    }
    expect(users.index("email").get("wanted@x")).toHaveLength(1)
    expect(users.size).toBe(3)
  })

  test("holds as soon as a store is open again", async () => {
    const [store, users] = await withUsers()
    void users
    await store.close()
    const again = await open(store.path)
    onTestFinished(() => again.close())
    await expectViolation(usersOf(again), () => usersOf(again).put("eve", { email: "ada@x" }), { holder: "ada" })
  })

  test("does not refuse anything any more when it was dropped", async () => {
    const [, users] = await withUsers()
    users.dropIndex("email")
    await users.put("eve", { email: "ada@x" })
    await expect(users.createIndex("email", { of: (user) => user.email, unique: true })).rejects.toMatchObject({
      code: "ORRERY_UNIQUE_VIOLATION",
      value: "ada@x",
    })
    expect(users.indexes().map(({ name }) => name)).toEqual(["names"])
  })

  test("of a table that breaks it already cannot be read, and lets nothing in but what mends it", async () => {
    const store = await temporaryStore()
    const plain = store.table<User>("users")
    await plain.putMany([
      ["a", { email: "x" }],
      ["b", { email: "x" }],
    ])
    const users = store.table<User>("users", { unique: ["email"] })
    await expect(users.indexReady()).rejects.toBeInstanceOf(UniqueViolation)
    expect(() => users.index("email").get("x")).toThrow(UniqueViolation)
    await expect(users.put("c", { email: "y" })).rejects.toBeInstanceOf(UniqueViolation)
    await users.delete("b")
    users.dropIndex("email")
    const byEmail = await users.createIndex("email", { of: (user) => user.email, unique: true })
    expect(byEmail.find("x")).toBe("a")
  })
})

describe("a unique index that is being built", () => {
  const platform = simulatePlatform({ seed: 1 })
  const done = <T>(work: Promise<T>): Promise<T> => untilSettled(platform, work)

  async function withMany(path: string): Promise<readonly [Store, TableHandle<number>]> {
    const store = await done(open(path, { platform, shards: 2 }))
    const numbers = store.table<number>("numbers")
    await done(numbers.putMany(Array.from({ length: 30_000 }, (_, n) => [`k${n}`, n] as const)))
    onTestFinished(() => done(store.close()))
    return [store, numbers]
  }

  test("because the table was opened with it takes no keys before it is there", async () => {
    const [store] = await withMany("/declared")
    const numbers = store.table<number>("numbers", { indexes: { n: { of: (n) => n, unique: true } } })
    const early = done(numbers.put("twice", 5))
    await expect(early).rejects.toMatchObject({ code: "ORRERY_INDEX_BUILDING", index: "n" })
    await done(numbers.delete("k6"))
    await done(numbers.indexReady())
    await expect(numbers.put("twice", 5)).rejects.toMatchObject({ holder: "k5" })
    await done(numbers.put("six", 6))
    expect(numbers.index("n").find(6)).toBe("six")
  })

  test("on a table in use lets writes go on, and is taken away where they contradict it", async () => {
    const [, numbers] = await withMany("/created")
    let isTwice = false
    const definition = { of: (n: number) => n, unique: true } as const
    const creating = numbers.createIndex("n", definition, {
      onProgress: () => {
        void numbers.put("fine", -1)
        if (isTwice) return
        isTwice = true
        // Either it is known by now that somebody else has them, or the build will find out.
        for (let n = 0; n < 30_000; n += 100) numbers.put(`twice ${n}`, n).catch(() => undefined)
      },
    })
    await expect(done(creating)).rejects.toMatchObject({ code: "ORRERY_UNIQUE_VIOLATION" })
    await done(numbers.put("free", 7))
    expect(numbers.indexes()).toEqual([])
  })
})
