// Stores that older versions wrote: each opens, under the real file system, with exactly what was put into it.

import { cp, mkdtemp, readdir, readFile, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { afterEach, beforeEach, describe, expect, test } from "vitest"
import { open } from "../src/index.ts"
import type { Store } from "../src/index.ts"

const FIXTURES = fileURLToPath(new URL("./fixtures", import.meta.url))

function entriesOf(store: Store, table: string): Record<string, unknown> {
  return Object.fromEntries(store.table(table).entries())
}

/** What scripts/make-fixture.ts put into version 1. */
function contentOfV1(): Record<string, Record<string, unknown>> {
  const cities: Record<string, unknown> = {}
  for (let n = 0; n < 40; n++) {
    if (n === 7 || n === 8) continue
    cities[`key ${n}`] = { name: `city ${n}`, population: n * 1_000, coordinates: { lat: n / 2, lon: -n / 4 } }
  }
  cities["key 9"] = { name: "changed", population: -1, coordinates: { lat: 0, lon: 0 } }
  return {
    cities,
    notes: { ключ: "text with an ä", "": null, list: [1, "two", { three: true }, [undefined]] },
    numbers: { pi: Math.PI, "negative zero": -0, huge: 12345678901234567890n },
  }
}

describe("the store of format version 1", () => {
  let directory: string

  beforeEach(async () => {
    directory = join(await mkdtemp(join(tmpdir(), "orrery-fixture-")), "store")
    await cp(join(FIXTURES, "v1"), directory, { recursive: true })
  })
  afterEach(() => rm(join(directory, ".."), { recursive: true }))

  test("opens with exactly what was put into it", async () => {
    const store = await open(directory, { segmentBytes: 4096 })
    expect(store.recovery).toMatchObject({
      foundStore: true,
      wasSealed: false,
      cutBytes: 0,
      epoch: 2,
      commits: 46,
      segments: 3,
      warnings: [],
    })
    expect(store.tables().toSorted()).toEqual(["cities", "notes", "numbers"])
    for (const [table, content] of Object.entries(contentOfV1())) expect(entriesOf(store, table)).toEqual(content)
    await store.close()
  })

  test("goes on: it takes writes, closes, and opens again with both", async () => {
    const store = await open(directory, { segmentBytes: 4096, shards: 5 })
    await store.table("cities").put("key 7", "back again")
    await store.close()
    const again = await open(directory, { segmentBytes: 8192 })
    const { cities, ...others } = contentOfV1()
    expect(entriesOf(again, "cities")).toEqual({ ...cities, "key 7": "back again" })
    for (const [table, content] of Object.entries(others)) expect(entriesOf(again, table)).toEqual(content)
    expect(again.recovery).toMatchObject({ wasSealed: true, epoch: 3 })
    await again.close()
  })
})

test("no fixture holds the files of a lock, which belong to a process", async () => {
  const versions = await readdir(FIXTURES)
  expect(versions).toContain("v1")
  for (const version of versions) {
    const names = await readdir(join(FIXTURES, version))
    expect(names.filter((name) => name.startsWith("LOCK"))).toEqual([])
    expect((await readFile(join(FIXTURES, version, "manifest-0"))).subarray(0, 4).toString()).toBe("ORRM")
  }
})
