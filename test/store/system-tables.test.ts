// The engine's own tables are nobody else's business.

import { expect, test } from "vitest"
import { open } from "../../src/index.ts"
import { checkTableName, isSystemTable } from "../../src/model/system-tables.ts"
import { temporaryDirectory } from "./temporary-store.ts"

test("a name that begins like the engine's own is refused wherever a table is named", async () => {
  const path = await temporaryDirectory()
  await using store = await open(path)
  await store.table("mine").put("k", 1)
  using snapshot = store.snapshot()
  await using past = await open(path, { readOnly: true })
  const message = 'names that begin with "orrery:" are the engine\'s own'
  expect(() => store.table("orrery:mine")).toThrow(message)
  expect(() => store.changes({ table: "orrery:mine" })).toThrow(message)
  expect(() => snapshot.table("orrery:mine")).toThrow(message)
  expect(() => past.table("orrery:mine")).toThrow(message)
  expect([store.tables(), snapshot.tables(), past.tables()]).toEqual([["mine"], ["mine"], ["mine"]])
})

test("names that only contain the prefix are the user's", () => {
  for (const name of ["orrery", "my orrery:table", "Orrery:x"]) {
    checkTableName(name)
    expect(isSystemTable(name)).toBe(false)
  }
  expect(isSystemTable("orrery:consumers")).toBe(true)
  expect(() => checkTableName("")).toThrow("well-formed string that is not empty")
})
