// The proofs: each compares what the store holds with the data set, value by value, and throws at the first difference.

import { strict as assert } from "node:assert"
import { isDeepStrictEqual } from "node:util"
import type { ChangeStream, TableHandle } from "../../src/index.ts"
import type { City } from "./data-set.ts"

type Source = ReadonlyMap<string, City>

/** Every one of these keys is there, with exactly the value that was put. */
export function verifyKept(table: TableHandle<City>, source: Source, keys: Iterable<string>): void {
  for (const key of keys) {
    assert.ok(table.has(key), `city ${key} was acknowledged, and is lost`)
    assertSame(key, table.get(key), source.get(key))
  }
}

/** Whatever is there beside these keys comes from the data set as well. Returns all keys. */
export function verifyNothingElse(
  table: TableHandle<City>,
  source: Source,
  verified: ReadonlySet<string>,
): ReadonlySet<string> {
  const keys = new Set<string>()
  for (const key of table.keys()) {
    assert.ok(!keys.has(key), `city ${key} is there twice`)
    keys.add(key)
    if (!verified.has(key)) assertSame(key, table.get(key), source.get(key))
  }
  assert.equal(table.size, keys.size, "the table's size is the number of its keys")
  return keys
}

/** What a subscriber made of the change feed. */
export interface Fold {
  readonly commitCount: number
  readonly cities: ReadonlyMap<string, City>
}

/**
 * Folds the feed into a map until a change of `endTable` says that everything was written. Throws where a city comes a
 * second time or a commit out of order. Requires: every city is put once.
 */
export async function foldChanges(changes: ChangeStream, endTable: string): Promise<Fold> {
  const cities = new Map<string, City>()
  let commitCount = 0
  let lastLsn = 0
  for await (const commit of changes) {
    assert.ok(commit.lsn > lastLsn, `commit ${commit.lsn} came after commit ${lastLsn}`)
    lastLsn = commit.lsn
    for (const change of commit.changes) {
      if (change.table === endTable) return { commitCount, cities }
      assert.equal(change.kind, "put", `city ${change.key} was deleted, which nobody did`)
      assert.ok(!cities.has(change.key), `the subscriber got city ${change.key} twice`)
      cities.set(change.key, change.value as City)
    }
    commitCount++
  }
  throw new Error("the change feed ended before the load did")
}

/** Two maps, or a map and a table, hold the same cities under the same keys. */
export function verifySame(actual: Iterable<readonly [string, City]>, actualCount: number, expected: Source): void {
  assert.equal(actualCount, expected.size, "the number of cities")
  for (const [key, city] of actual) assertSame(key, city, expected.get(key))
}

function assertSame(key: string, actual: City | undefined, expected: City | undefined): void {
  if (isDeepStrictEqual(actual, expected)) return
  // Slow, but says what differs.
  assert.deepEqual(actual, expected, `city ${key} is not what was put`)
}
