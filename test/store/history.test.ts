// The versions of a key: each commit that touched it, in order, with its time.

import { expect, test } from "vitest"
import { CursorExpired } from "../../src/index.ts"
import { temporaryStore } from "./temporary-store.ts"

test("the history of a key is every durable version of it, and of no other, oldest first", async () => {
  const store = await temporaryStore()
  const table = store.table<{ n: number }>("t")
  const lsns: number[] = []
  for (let n = 0; n < 30; n++) {
    await table.put(`other${n}`, { n })
    await store.table("u").put("k", n)
    lsns.push((n % 10 === 9 ? await table.delete("k") : await table.put("k", { n })).lsn)
  }
  const versions = await Array.fromAsync(table.history("k"))
  expect(versions.map(({ lsn }) => lsn)).toEqual(lsns)
  expect(versions.map(({ value }) => value?.n)).toEqual(
    Array.from({ length: 30 }, (_, n) => (n % 10 === 9 ? undefined : n)),
  )
  expect(versions.filter(({ isDeleted }) => isDeleted)).toHaveLength(3)
  for (const { time } of versions) expect(Math.abs(time.getTime() - Date.now())).toBeLessThan(60_000)
  const later = await Array.fromAsync(table.history("k", { after: lsns[19] as number }))
  expect(later.map(({ lsn }) => lsn)).toEqual(lsns.slice(20))
})

test("a position inside a frame of many commits is kept to", async () => {
  const store = await temporaryStore()
  const table = store.table<number>("t")
  const receipts = await Promise.all(Array.from({ length: 20 }, (_, n) => table.put("k", n)))
  expect(store.metrics().flush.batchCommitsMax).toBe(20)
  const later = await Array.fromAsync(table.history("k", { after: receipts[11]?.lsn ?? 0 }))
  expect(later.map(({ value }) => value)).toEqual([12, 13, 14, 15, 16, 17, 18, 19])
})

test("the last of several changes within one commit counts, and keys of the same length are told apart", async () => {
  const store = await temporaryStore()
  const table = store.table<number>("t")
  const { lsn } = await store.batch((batch) => {
    batch.put(table, "ä", 1)
    batch.put(table, "ö", 2)
    batch.put(table, "ä", 3)
  })
  expect(await Array.fromAsync(table.history("ä"))).toMatchObject([{ lsn, value: 3, isDeleted: false }])
  expect(await Array.fromAsync(table.history("absent"))).toEqual([])
  expect(await Array.fromAsync(store.table("never written").history("k"))).toEqual([])
})

test("a history begins where the log does, and says so when more is asked for", async () => {
  const store = await temporaryStore({ segmentBytes: 4096, keep: { checkpoints: 1 } })
  const table = store.table<string>("t")
  for (let n = 0; n < 100; n++) await table.put("k", `${n}`.padEnd(200))
  await store.checkpoint()
  const { lsn } = await table.put("k", "last")
  expect((await Array.fromAsync(table.history("k"))).at(-1)).toMatchObject({ lsn, value: "last" })
  expect((await Array.fromAsync(table.history("k"))).length).toBeLessThan(101)
  await expect(Array.fromAsync(table.history("k", { after: 1 }))).rejects.toThrow(CursorExpired)
  expect(() => table.history("k", { after: -1 })).toThrow(TypeError)
  await store.close()
  await expect(Array.fromAsync(table.history("k"))).rejects.toThrow("closed")
})
