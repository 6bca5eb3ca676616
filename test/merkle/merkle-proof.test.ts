// Proofs: they hold for what is true, for the root that they were made for, and in every bit.

import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { merkleValueDigest, verifyProof } from "../../src/index.ts"
import type { MerkleProof } from "../../src/index.ts"
import { MerkleHasher } from "../../src/merkle/merkle-hash.ts"
import { hex, proofOf } from "../../src/merkle/merkle-proof.ts"
import { MerkleTree } from "../../src/merkle/merkle-tree.ts"
import { naivePath, sha256 } from "./naive-root.ts"

function treeOf(count: number): MerkleTree {
  const tree = new MerkleTree(new MerkleHasher((bytes) => sha256(bytes)))
  for (let n = 0; n < count; n++) {
    tree.set(naivePath("t", `key ${n}`), Buffer.from(merkleValueDigest({ n }), "hex"), 1, 0)
  }
  tree.settle(Number.POSITIVE_INFINITY)
  return tree
}

/** Every proof that differs in one bit of one character of one of its texts; of long texts, of some characters. */
function* bitFlips(proof: MerkleProof): Generator<MerkleProof> {
  const flips = function* (text: string): Generator<string> {
    for (let at = 0; at < text.length; at += text.length > 300 ? 5 : 1) {
      for (let bit = 0; bit < 8; bit++) {
        yield text.slice(0, at) + String.fromCharCode(text.charCodeAt(at) ^ (1 << bit)) + text.slice(at + 1)
      }
    }
  }
  for (const field of ["table", "key", "bucket", "valueDigest"] as const) {
    for (const text of flips(proof[field] ?? "")) yield { ...proof, [field]: text }
  }
  for (const [index, level] of proof.levels.entries()) {
    for (const text of flips(level)) yield { ...proof, levels: proof.levels.with(index, text) }
  }
}

const SIZES = [0, 1, 16, 17, 300, 3_000]

describe("a proof", () => {
  test.each(SIZES)("of presence, or of absence, holds among %i records", (count) => {
    const tree = treeOf(count)
    const root = hex(tree.root)
    for (let n = 0; n < count; n += 1 + Math.floor(count / 50)) {
      const proof = proofOf(tree, "t", `key ${n}`)
      expect(proof).toMatchObject({ present: true, valueDigest: merkleValueDigest({ n }) })
      expect(verifyProof(root, JSON.parse(JSON.stringify(proof)) as MerkleProof)).toBe(true)
    }
    for (const [table, key] of [
      ["t", "no key"],
      ["other", "key 0"],
      ["", ""],
      ["t", "ключ"],
    ] as const) {
      const proof = proofOf(tree, table, key)
      expect(proof).toMatchObject({ present: false, valueDigest: null })
      expect(verifyProof(root, proof)).toBe(true)
    }
  })

  test.each([1, 17, 300])("that was changed in any single bit does not hold, among %i records", (count) => {
    const tree = treeOf(count)
    const root = hex(tree.root)
    for (const key of ["key 0", "no key"]) {
      const proof = proofOf(tree, "t", key)
      expect(verifyProof(root, proof)).toBe(true)
      let flips = 0
      for (const changed of bitFlips(proof)) {
        flips++
        // A bucket, or a gap, may show of several keys that they are absent.
        const isTrue = !changed.present && (changed.table !== "t" || !/^key \d+$/.test(changed.key))
        if (!isTrue || (changed.table === proof.table && changed.key === proof.key)) {
          if (verifyProof(root, changed)) expect(changed).toEqual("a proof that does not hold")
        }
      }
      expect(flips).toBeGreaterThan(count === 1 ? 400 : 900)
      for (const changed of [
        { ...proof, present: !proof.present },
        { ...proof, valueDigest: proof.present ? null : "0".repeat(64) },
        { ...proof, version: 2 },
        { ...proof, levels: proof.levels.slice(1) },
        { ...proof, levels: [...proof.levels, "0000"] },
        { ...proof, levels: ["0000", ...proof.levels] },
        { ...proof, bucket: "" },
        { ...proof, bucket: proof.bucket + proof.bucket },
      ]) {
        if (JSON.stringify(changed) === JSON.stringify(proof)) continue
        expect(verifyProof(root, changed as MerkleProof)).toBe(false)
      }
    }
  })

  test("that a key is absent cannot be made of one of presence by leaving the key's record out", () => {
    for (const count of [1, 20, 400]) {
      const tree = treeOf(count)
      const proof = proofOf(tree, "t", "key 0")
      const record = naivePath("t", "key 0").toString("hex")
      const at = proof.bucket.indexOf(record)
      const bucket = proof.bucket.slice(0, at) + proof.bucket.slice(at + 128)
      const forged = { ...proof, present: false, valueDigest: null, bucket }
      expect(verifyProof(hex(tree.root), forged)).toBe(false)
      expect(verifyProof(hex(tree.root), { ...forged, levels: [] })).toBe(false)
    }
  })

  test("holds for the root that it was made for, and for no other", () => {
    const tree = treeOf(100)
    const proof = proofOf(tree, "t", "key 3")
    expect(verifyProof(hex(treeOf(101).root), proof)).toBe(false)
    const root = hex(tree.root)
    for (let at = 0; at < root.length; at++) {
      const digit = (Number.parseInt(root[at] as string, 16) ^ 1).toString(16)
      expect(verifyProof(root.slice(0, at) + digit + root.slice(at + 1), proof)).toBe(false)
    }
    expect(verifyProof(root.toUpperCase(), proof)).toBe(false)
    expect(verifyProof("", proof)).toBe(false)
  })

  test("that is none at all does not hold, and throws nothing", () => {
    const root = hex(treeOf(20).root)
    fc.assert(
      fc.property(fc.anything(), (anything) => {
        expect(verifyProof(root, anything as MerkleProof)).toBe(false)
      }),
      { seed: 7, numRuns: 300 },
    )
  })

  test("among 3,000 records takes less than 5 kB", () => {
    expect(JSON.stringify(proofOf(treeOf(3_000), "t", "key 5")).length).toBeLessThan(5_000)
  })
})
