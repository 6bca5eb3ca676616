// The types of indexes: their names, and their keys by what their functions return.

import { expectTypeOf, test } from "vitest"
import type { LiveQuery, StandardSchema, Store, TableIndex } from "../../src/index.ts"

interface User {
  readonly city: string
  readonly age?: number
  readonly tags: readonly string[]
  readonly born: Date
  readonly email: string
}

declare const store: Store
declare const schema: StandardSchema<unknown, User>

/** Looked at by the compiler, and never called. */
export function withAnnotations(): void {
  const users = store.table("users", {
    indexes: {
      city: (user: User) => user.city,
      age: (user: User) => user.age,
      tags: { many: true, of: (user: User) => user.tags },
      born: { of: (user: User) => user.born, unique: true },
    },
    unique: ["email"],
  })
  expectTypeOf(users.get("ada")).toEqualTypeOf<User | undefined>()
  expectTypeOf(users.index("city")).toEqualTypeOf<TableIndex<User, string>>()
  expectTypeOf(users.index("age").max()).toEqualTypeOf<number | undefined>()
  expectTypeOf(users.index("tags")).toEqualTypeOf<TableIndex<User, string>>()
  expectTypeOf(users.index("born").min()).toEqualTypeOf<Date | undefined>()
  expectTypeOf(users.index("email")).toEqualTypeOf<TableIndex<User, string>>()
  expectTypeOf(users.live({ index: "age", range: { from: 18, reverse: true }, limit: 3 })).toEqualTypeOf<
    LiveQuery<User>
  >()
  expectTypeOf(
    users.live({ index: "born", equals: new Date(0), where: ({ age }) => age === 3, select: ({ city }) => city }),
  ).toEqualTypeOf<LiveQuery<string>>()
  expectTypeOf(
    users.join(users, { index: "tags", equals: "a", on: ({ email }) => email, select: (_, { city }) => city }),
  ).toEqualTypeOf<LiveQuery<string>>()
  // @ts-expect-error the keys of this index are numbers
  users.live({ index: "age", equals: "old" })
  // @ts-expect-error its bounds are as well
  users.live({ index: "age", range: { from: "old" } })
  // @ts-expect-error how many rows there are is said beside the range
  users.live({ index: "age", range: { limit: 3 } })
  // @ts-expect-error there is no such index
  users.index("town")
  // @ts-expect-error the keys of this index are strings
  users.index("city").get(1)
}

export function withASchema(): void {
  const users = store.table("users", { schema, indexes: { age: (user) => user.age } })
  expectTypeOf(users.get("ada")).toEqualTypeOf<User | undefined>()
  expectTypeOf(users.index("age")).toEqualTypeOf<TableIndex<User, number>>()
}

export async function withATypeOnly(): Promise<void> {
  const users = store.table<User>("users", { indexes: { city: (user) => user.city } })
  expectTypeOf(users.index("city")).toEqualTypeOf<TableIndex<User>>()
  expectTypeOf(users.index("anything").name).toEqualTypeOf<string>()
  // @ts-expect-error an object is no key of an index
  store.table<User>("users", { indexes: { city: (user) => user } })
  expectTypeOf(await users.createIndex("year", (user) => user.born.getFullYear())).toEqualTypeOf<
    TableIndex<User, number>
  >()
}

test("handles with indexes are handles: the compiler has checked what stands above", () => {
  expectTypeOf(withAnnotations).toBeFunction()
})
