// What differs between two contents is found, and nothing else is read but the ways to it.

import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { merkleValueDigest } from "../../src/index.ts"
import type { MerkleDifference, MerkleNode, MerkleSource } from "../../src/index.ts"
import { differencesOf } from "../../src/merkle/merkle-difference.ts"
import { MerkleHasher } from "../../src/merkle/merkle-hash.ts"
import { hex } from "../../src/merkle/merkle-proof.ts"
import { MerkleTree } from "../../src/merkle/merkle-tree.ts"
import { temporaryStore } from "../store/temporary-store.ts"
import { naivePath, sha256 } from "./naive-root.ts"

/** A source over records of one table, by key and a number that stands for the value; counts the nodes that are read. */
class Counted implements MerkleSource {
  nodeCount = 0
  readonly #tree = new MerkleTree(new MerkleHasher((bytes) => sha256(bytes)))
  readonly #keys = new Map<string, string>()

  constructor(content: Iterable<readonly [string, number]>) {
    for (const [key, n] of content) {
      const path = naivePath("t", key)
      this.#keys.set(hex(path), key)
      this.#tree.set(path, Buffer.from(merkleValueDigest(n), "hex"), 1, 0)
    }
    this.#tree.settle(Number.POSITIVE_INFINITY)
  }

  nodes(prefixes: readonly string[]): Promise<readonly MerkleNode[]> {
    this.nodeCount += prefixes.length
    return Promise.resolve(prefixes.map((prefix) => this.#node(prefix)))
  }

  #node(prefix: string): MerkleNode {
    const path = Buffer.from(prefix.padEnd(64, "0"), "hex")
    const digests = this.#tree.childrenAt(path, prefix.length)
    if (digests === undefined) {
      const entries = this.#tree.entriesAt(path, prefix.length)
      return {
        entries: entries.map((entry) => ({
          path: hex(entry.path),
          valueDigest: hex(entry.valueDigest),
          table: "t",
          key: this.#keys.get(hex(entry.path)) ?? null,
        })),
      }
    }
    const digestAt = (child: number): string => hex(digests.subarray(child * 32, child * 32 + 32))
    const isThere = (digest: string): boolean => !/^0*$/.test(digest)
    return { children: Array.from({ length: 16 }, (_, child) => (isThere(digestAt(child)) ? digestAt(child) : "")) }
  }
}

async function listOf(differences: AsyncIterable<MerkleDifference>): Promise<MerkleDifference[]> {
  const list: MerkleDifference[] = []
  for await (const difference of differences) list.push(difference)
  return list.toSorted((left, right) => (left.path < right.path ? -1 : 1))
}

function naiveDifference(here: ReadonlyMap<string, number>, there: ReadonlyMap<string, number>): MerkleDifference[] {
  const digestOf = (value: number | undefined): string | undefined =>
    value === undefined ? undefined : merkleValueDigest(value)
  return [...new Set([...here.keys(), ...there.keys()])]
    .filter((key) => here.get(key) !== there.get(key))
    .map((key) => ({
      table: "t",
      key,
      path: naivePath("t", key).toString("hex"),
      here: digestOf(here.get(key)),
      there: digestOf(there.get(key)),
    }))
    .toSorted((left, right) => (left.path < right.path ? -1 : 1))
}

describe("the difference of two contents", () => {
  test("is what a comparison of all of it finds, whatever they are", async () => {
    const content = fc.oneof(
      fc.uniqueArray(fc.tuple(fc.nat(60), fc.nat(2)), { selector: ([n]) => n, maxLength: 60, size: "max" }),
      fc.uniqueArray(fc.tuple(fc.nat(60), fc.nat(2)), { selector: ([n]) => n, maxLength: 8 }),
    )
    const property = fc.asyncProperty(content, content, fc.nat(400), async (left, right, common) => {
      const both = Array.from({ length: common }, (_, n) => [`common ${n}`, n] as const)
      const here = new Map([...both, ...left.map(([n, value]) => [`key ${n}`, value] as const)])
      const there = new Map([...both, ...right.map(([n, value]) => [`key ${n}`, value] as const)])
      const found = await listOf(differencesOf(new Counted(here), new Counted(there), undefined))
      expect(found).toEqual(naiveDifference(here, there))
    })
    await fc.assert(property, { seed: 23, numRuns: 60 })
  })

  test("reads one node of each where there is none", async () => {
    const content = Array.from({ length: 5_000 }, (_, n) => [`key ${n}`, n] as const)
    const here = new Counted(content)
    const there = new Counted(content.toReversed())
    expect(await listOf(differencesOf(here, there, undefined))).toEqual([])
    expect([here.nodeCount, there.nodeCount]).toEqual([1, 1])
  })

  test.each([1, 10, 100])("of %i keys among 20,000 reads a few nodes for each", async (count) => {
    const content = new Map<string, number>(Array.from({ length: 20_000 }, (_, n) => [`key ${n}`, n] as const))
    const changed = new Map(content)
    for (let index = 0; index < count; index++) {
      if (index % 3 === 0) changed.delete(`key ${index * 97}`)
      else if (index % 3 === 1) changed.set(`key ${index * 97}`, -1)
      else changed.set(`new ${index}`, 1)
    }
    const here = new Counted(content)
    const there = new Counted(changed)
    expect((await listOf(differencesOf(here, there, undefined))).length).toBe(count)
    // Three or four inner nodes and a bucket lie on each way; some buckets are split on one side only.
    expect(here.nodeCount).toBeLessThanOrEqual(count * 8)
    expect(there.nodeCount).toBe(here.nodeCount)
  })

  test("ends with the reason of a signal, and with what is no node", async () => {
    const content = new Counted([["key", 1]])
    const aborted = differencesOf(content, content, AbortSignal.abort(new Error("enough")))
    await expect(listOf(aborted)).rejects.toThrow("enough")
    for (const nodes of [[], [null], [{ children: [] }], [{}]]) {
      const broken = { nodes: () => Promise.resolve(nodes as never) }
      await expect(listOf(differencesOf(content, broken, undefined))).rejects.toThrow(TypeError)
    }
  })
})

describe("the difference of two stores", () => {
  test("names their keys, also over a wire that carries JSON, and also without a tree that is kept", async () => {
    const here = await temporaryStore({ merkle: true })
    const there = await temporaryStore({ shards: 3 })
    const entries = Array.from({ length: 2_000 }, (_, n) => [`key ${n}`, { n }] as const)
    await here.table("t").putMany(entries)
    await there.table("t").putMany(entries.toReversed())
    const source = there.merkleSource()
    const wire: MerkleSource = {
      nodes: async (prefixes) => JSON.parse(JSON.stringify(await source.nodes(prefixes))) as MerkleNode[],
    }
    expect(await listOf(here.merkleDifference(wire))).toEqual([])
    await here.table("t").delete("key 5")
    await there.table("t").put("key 6", "other")
    await there.table("new").put("ключ", 1)
    const found = await listOf(here.merkleDifference(wire))
    expect(found.map(({ table, key }) => `${table}/${key}`).toSorted()).toEqual(["new/ключ", "t/key 5", "t/key 6"])
    expect(found.find(({ key }) => key === "key 6")).toMatchObject({
      here: merkleValueDigest({ n: 6 }),
      there: merkleValueDigest("other"),
    })
    expect(() => here.merkleDifference({} as never)).toThrow(TypeError)
    await expect(source.nodes(["xyz"])).rejects.toThrow(TypeError)
  })
})
