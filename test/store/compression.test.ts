// Compressed values in a store: whoever reads gets the value, and the choice is the writer's alone.

import { join } from "node:path"
import { describe, expect, onTestFinished, test } from "vitest"
import { followLog } from "../../src/cli/log-follower.ts"
import { CompressionUnavailable, open, restoreStore } from "../../src/index.ts"
import type { OpenOptions, Store } from "../../src/index.ts"
import { nodePlatform } from "../../src/platform/node/node-platform.ts"
import { salvageStore } from "../../src/recovery/salvage.ts"
import { verifyStore } from "../../src/recovery/verify.ts"
import { temporaryDirectory, temporaryStore } from "./temporary-store.ts"

interface Document {
  readonly n: number
  readonly group: string
  readonly text: string
}

const SENTENCE = "compressed or not, a value is the value that was put. "
const document = (n: number, times = 60): Document => ({ n, group: `g${n % 2}`, text: SENTENCE.repeat(times) })

async function reopened(path: string, options: OpenOptions = {}): Promise<Store> {
  const store = await open(path, options)
  onTestFinished(() => store.close())
  return store
}

/** A store with three documents, of which "b" was overwritten, "small" is too small, and "gone" deleted. */
async function filled(options: OpenOptions): Promise<Store> {
  const store = await temporaryStore({ durability: "written", ...options })
  const table = store.table<Document>("docs")
  await table.put("a", document(1))
  await table.putMany([
    ["b", document(2)],
    ["c", document(3)],
    ["gone", document(4)],
  ])
  await table.put("b", document(5, 70))
  await table.put("small", document(6, 1))
  await table.delete("gone")
  return store
}

const CONTENT = { a: document(1), b: document(5, 70), c: document(3), small: document(6, 1) }

function contentOf(table: { entries(): Iterable<readonly [string, unknown]> }): Record<string, unknown> {
  return Object.fromEntries(table.entries())
}

describe("values of a table that compresses", () => {
  test("are smaller in the log and in memory, and counted; those below the size stay as they are", async () => {
    const plain = (await filled({})).metrics()
    const store = await filled({ compress: true })
    const { compression, log, tables } = store.metrics()
    expect(compression).toMatchObject({ compressed: 5, incompressible: 0 })
    const before = [1, 2, 3, 4].map((n) => document(n).text.length).reduce((sum, size) => sum + size)
    expect(compression.bytesBefore).toBeGreaterThan(before + document(5, 70).text.length)
    expect(compression.bytesAfter).toBeLessThan(compression.bytesBefore / 10)
    const saved = compression.bytesBefore - compression.bytesAfter
    expect(Math.abs(plain.log.bytes - log.bytes - saved)).toBeLessThan(100)
    expect(tables.liveBytes).toBeLessThan(plain.tables.liveBytes / 5)
    expect(plain.compression).toEqual({ compressed: 0, incompressible: 0, bytesBefore: 0, bytesAfter: 0 })
  })

  test("that cannot be made smaller stay as they are, and are counted as such", async () => {
    const store = await temporaryStore({ compress: { from: 100 } })
    const random = new Uint8Array(2_000)
    nodePlatform.random.fill(random)
    await store.table("t").put("k", random)
    expect(store.table("t").get("k")).toEqual(random)
    expect(store.metrics().compression).toEqual({ compressed: 0, incompressible: 1, bytesBefore: 0, bytesAfter: 0 })
  })

  test("are the same to reads, walks, snapshots, transactions, updates, indexes and watches", async () => {
    const store = await filled({ compress: true })
    const table = store.table<Document>("docs", { indexes: { group: ({ group }) => group } })
    await table.indexReady()
    expect(contentOf(table)).toEqual(CONTENT)
    expect([table.get("a"), table.has("a"), table.size]).toEqual([document(1), true, 4])
    expect(table.getVersioned("a").value).toEqual(document(1))
    expect([...table.index("group").keys()]).toEqual(["small", "a", "b", "c"])
    using snapshot = store.snapshot()
    using watch = table.watch("a")
    const live = table.live({ where: ({ n }) => n > 100 })
    await Promise.all([watch.ready, live.ready])
    const { value } = await store.transact((tx) => {
      const { n } = tx.get(table, "a") as Document
      tx.put(table, "a", document(n + 100))
      return tx.get(table, "a")
    })
    expect(value).toEqual(document(101))
    await table.update("a", (found) => ({ ...(found as Document), n: 102 }))
    expect(table.get("a")).toEqual({ ...document(101), n: 102 })
    expect(contentOf(snapshot.table("docs"))).toEqual(CONTENT)
    await expect.poll(() => watch.result).toEqual({ ...document(101), n: 102 })
    expect(live.result.map(({ key }) => key)).toEqual(["a"])
    live.close()
  })

  test("are the same to the feed, with values before and states of the past, to history, and to views", async () => {
    const store = await filled({ compress: true })
    const table = store.table<Document>("docs")
    const view = store.view("texts", {
      from: table,
      map: ({ key, value }) => [[key, { twice: value.text + value.text }]],
    })
    await view.ready()
    expect(view.table.get("c")).toEqual({ twice: document(3).text.repeat(2) })
    const seen: unknown[] = []
    for await (const { changes } of table.changes({ after: 0, before: true })) {
      for (const change of changes) seen.push([change.kind, change.key, change.value, change.before])
      if (seen.length === 7) break
    }
    expect(seen).toEqual([
      ["put", "a", document(1), undefined],
      ["put", "b", document(2), undefined],
      ["put", "c", document(3), undefined],
      ["put", "gone", document(4), undefined],
      ["put", "b", document(5, 70), document(2)],
      ["put", "small", document(6, 1), undefined],
      ["delete", "gone", undefined, document(4)],
    ])
    const versions = await Array.fromAsync(table.history("b"))
    expect(versions.map(({ value }) => value)).toEqual([document(2), document(5, 70)])
    // The value before stands in a state of the past, which is made of the files.
    for await (const { changes } of table.changes({ after: versions[0]?.lsn as number, before: true })) {
      expect(changes.map(({ key, before }) => [key, before])).toEqual([["b", document(2)]])
      break
    }
  })

  test("are the same to followers, to the past, and to who reads the log's files", async () => {
    const store = await filled({ compress: true })
    await store.checkpoint()
    const { lsn } = await store.table("docs").put("late", document(7))
    const content = { ...CONTENT, late: document(7) }
    const follower = await open(store.path, { readOnly: true, follow: true, lookMs: 2 })
    onTestFinished(() => follower.close())
    await follower.whenAt(lsn)
    expect(contentOf(follower.table("docs"))).toEqual(content)
    const past = await open(store.path, { readOnly: true, at: lsn - 1 })
    expect(contentOf(past.table("docs"))).toEqual(CONTENT)
    await past.close()
    const logged: unknown[] = []
    for await (const changes of followLog(nodePlatform, store.path, { after: lsn - 1, waits: false })) {
      logged.push(...changes.map(({ key, value }) => [key, value]))
    }
    expect(logged).toEqual([["late", document(7)]])
  })

  test("outlive the store, its option, checkpoints, backups, restoring, verifying and salvage", async () => {
    const store = await filled({ compress: true })
    const backup = join(await temporaryDirectory(), "backup")
    await store.backup(backup)
    await store.close()
    const plain = await reopened(store.path)
    expect(contentOf(plain.table("docs"))).toEqual(CONTENT)
    // From now on nothing is compressed, and what was stays readable beside it.
    await plain.table("docs").put("more", document(8))
    expect(plain.metrics().compression.compressed).toBe(0)
    const content = { ...CONTENT, more: document(8) }
    expect(contentOf(plain.table("docs"))).toEqual(content)
    await plain.checkpoint()
    await plain.close()
    expect(await verifyStore(nodePlatform, store.path)).toMatchObject({ verdict: "good", findings: [] })
    const salvaged = join(await temporaryDirectory(), "salvaged")
    await salvageStore(nodePlatform, store.path, salvaged)
    expect(contentOf((await reopened(salvaged)).table("docs"))).toEqual(content)
    const restored = join(await temporaryDirectory(), "restored")
    await restoreStore({ from: backup, into: restored })
    expect(contentOf((await reopened(restored)).table("docs"))).toEqual(CONTENT)
  })

  test("are the same to the Merkle tree: its root and its proofs tell nothing of compression", async () => {
    const options = { merkle: true } as const
    const [plain, compressing] = [await filled(options), await filled({ ...options, compress: true })]
    const { root } = await plain.merkleRoot()
    expect(await compressing.merkleRoot()).toMatchObject({ root, records: 4 })
    const digestIn = async (store: Store): Promise<unknown> => (await store.table("docs").prove("a")).valueDigest
    expect(await digestIn(compressing)).toBe(await digestIn(plain))
    await compressing.checkpoint()
    await compressing.close()
    expect(await verifyStore(nodePlatform, compressing.path)).toMatchObject({
      verdict: "good",
      merkle: { result: "verified" },
    })
    expect(await (await reopened(compressing.path, options)).merkleRoot()).toMatchObject({ root })
  })

  test("may be as large as any value, and no larger, before they are compressed", async () => {
    const store = await temporaryStore({ compress: true })
    const table = store.table<string>("t")
    const size = 16 * 1024 * 1024
    await table.put("k", "x".repeat(size - 5))
    expect(table.get("k")).toHaveLength(size - 5)
    expect(store.metrics().tables.liveBytes).toBeLessThan(10_000)
    await expect(table.put("k", "x".repeat(size - 4))).rejects.toThrow("16777216")
  })
})

describe("the option", () => {
  test("of a table is stronger than the store's, and holds for all its handles and batches", async () => {
    const store = await temporaryStore({ compress: true })
    const left = store.table<string>("left", { compress: false })
    const eager = store.table<string>("eager", { compress: { from: 50 } })
    const text = "again and ".repeat(10)
    await store.batch((batch) => {
      batch.put(left, "k", text.repeat(50))
      batch.put(eager, "k", text)
      batch.put(store.table("other"), "k", text)
    })
    expect(store.metrics().compression).toMatchObject({ compressed: 1 })
    await store.table("eager").put("k2", text)
    expect(store.metrics().compression).toMatchObject({ compressed: 2 })
    store.table("eager", { compress: false })
    await eager.put("k3", text)
    expect(store.metrics().compression).toMatchObject({ compressed: 2 })
    expect([left.get("k"), eager.get("k"), eager.get("k2"), eager.get("k3")]).toEqual([
      text.repeat(50),
      text,
      text,
      text,
    ])
  })

  test("goes together with a schema, a time to live, and a shape that the value teaches", async () => {
    const store = await temporaryStore()
    const schema = {
      "~standard": { version: 1, vendor: "test", validate: (value: unknown) => ({ value: [value, value] }) },
    } as const
    const table = store.table<unknown>("t", { compress: true, schema, ttl: 60_000 })
    for (let n = 0; n < 5; n++) await table.put("k", document(n))
    expect(table.get("k")).toEqual([document(4), document(4)])
    expect(table.expiresAt("k")).toBeInstanceOf(Date)
    // Written anew behind the definition of its shape, and compressed once.
    expect(store.metrics().compression).toMatchObject({ compressed: 5 })
  })

  test("is refused where it is neither a boolean nor a size, of a store and of a table", async () => {
    const path = join(await temporaryDirectory(), "none")
    const store = await temporaryStore()
    for (const option of [1, "yes", null, { form: 5 }, { from: 0 }, { from: 1.5 }, { from: 16 * 1024 * 1024 + 1 }]) {
      const compress = option as never
      await expect(open(path, { compress }), JSON.stringify(option)).rejects.toThrow(TypeError)
      expect(() => store.table("t", { compress }), JSON.stringify(option)).toThrow(TypeError)
    }
  })
})

test("a platform that has no compression reads all that is not compressed, and says what it cannot read", async () => {
  const store = await filled({ compress: true })
  await store.close()
  const platform = { ...nodePlatform, compression: undefined as never }
  const table = (await reopened(store.path, { platform })).table("docs")
  expect(table.get("small")).toEqual(document(6, 1))
  expect(() => table.get("a")).toThrow(CompressionUnavailable)
})
