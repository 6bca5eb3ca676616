// The tree as a data structure: form and root depend on what is in it, and digests are made anew only where they must.

import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { MerkleHasher } from "../../src/merkle/merkle-hash.ts"
import { hex } from "../../src/merkle/merkle-proof.ts"
import { MerkleTree } from "../../src/merkle/merkle-tree.ts"
import { naiveRootOf, sha256 } from "./naive-root.ts"

function emptyTree(): MerkleTree {
  return new MerkleTree(new MerkleHasher((bytes) => sha256(bytes)))
}

function rootOf(tree: MerkleTree): string {
  tree.settle(Number.POSITIVE_INFINITY)
  return hex(tree.root)
}

/** A path of which chance decides only a part, so that subtrees grow deep. */
function pathOf(n: number, shared: number): Buffer {
  const path = sha256(Buffer.from(`path ${n}`))
  return path.fill(0xab, 0, shared)
}

const valueOf = (n: number): Buffer => sha256(Buffer.from(`value ${n}`))

describe("a Merkle tree", () => {
  test("has the root of its definition after any sets and removals, settled at any time", () => {
    const step = fc.record({
      kind: fc.constantFrom("set", "set", "set", "remove", "settle", "root"),
      n: fc.nat(90),
      shared: fc.constantFrom(0, 0, 0, 1, 3),
      value: fc.nat(3),
    })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 300, size: "max" }), (steps) => {
        const tree = emptyTree()
        const model = new Map<string, readonly [Buffer, Buffer]>()
        const check = (): void => {
          expect(tree.count).toBe(model.size)
          expect(rootOf(tree)).toBe(naiveRootOf(model.values()))
        }
        for (const { kind, n, shared, value } of steps) {
          const path = pathOf(n, shared)
          const id = path.toString("hex")
          if (kind === "set") {
            const before = model.get(id)?.[1]
            const digest = valueOf(value)
            expect(tree.set(path, digest, 1, n)).toBe(before === undefined || !before.equals(digest))
            model.set(id, [path, digest])
          } else if (kind === "remove") expect(tree.remove(path)).toBe(model.delete(id))
          else if (kind === "settle") tree.settle(1 + value)
          else check()
        }
        check()
        for (const [path, digest] of model.values()) expect(hex(tree.get(path) ?? path)).toBe(hex(digest))
      }),
      { seed: 19, numRuns: 50, interruptAfterTimeLimit: 10_000 },
    )
  })

  test("has the same root whatever came and went meanwhile, up to 3,000 records and back", () => {
    const tree = emptyTree()
    const roots: string[] = []
    for (let n = 0; n < 3_000; n++) {
      tree.set(pathOf(n, 0), valueOf(n), 1, n)
      if (n % 500 === 0) roots.push(rootOf(tree))
    }
    for (let n = 2_999; n >= 0; n--) {
      if (n % 500 === 0) expect(rootOf(tree)).toBe(roots.pop())
      tree.remove(pathOf(n, 0))
    }
    expect(rootOf(tree)).toBe(sha256(Uint8Array.of(0)).toString("hex"))
  })

  test("uses the memory of what was removed again", () => {
    const tree = emptyTree()
    const fill = (from: number): void => {
      for (let n = from; n < from + 5_000; n++) tree.set(pathOf(n, 0), valueOf(n), 1, n)
    }
    fill(0)
    const bytes = tree.byteSize
    for (let round = 1; round < 5; round++) {
      for (let n = 5_000 * (round - 1); n < 5_000 * round; n++) tree.remove(pathOf(n, 0))
      fill(5_000 * round)
    }
    expect(tree.byteSize).toBeLessThan(bytes * 1.2)
  })

  test("has the roots that it has always had", () => {
    const tree = emptyTree()
    // RFC 6962 has the same one for no leaves but one of no bytes.
    expect(rootOf(tree)).toBe("6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d")
    for (let n = 0; n < 16; n++) tree.set(pathOf(n, 0), valueOf(n), 1, n)
    expect(rootOf(tree)).toBe("7ce5ac954516e5c79940c9d749a309bd29c2d39dc6ae02804e086e2b7bd4e11c")
    for (let n = 16; n < 1_000; n++) tree.set(pathOf(n, 0), valueOf(n), 1, n)
    expect(rootOf(tree)).toBe("5c46d406fc0c64401b658e7ec5201c2beb82390652c47b26be42db734ea2e616")
  })

  test("makes only the digests on the way to a change anew", () => {
    let count = 0
    const counting = new MerkleTree(
      new MerkleHasher((bytes) => {
        count++
        return sha256(bytes)
      }),
    )
    for (let n = 0; n < 10_000; n++) counting.set(pathOf(n, 0), valueOf(n), 1, n)
    rootOf(counting)
    count = 0
    counting.set(pathOf(77, 0), valueOf(1_000_000), 1, 77)
    rootOf(counting)
    // A bucket, and at most four nodes above it.
    expect(count).toBeLessThanOrEqual(5)
    expect(count).toBeGreaterThanOrEqual(3)
    rootOf(counting)
    counting.set(pathOf(77, 0), valueOf(1_000_000), 1, 77)
    const before = count
    rootOf(counting)
    expect(count).toBe(before)
  })

  test("settles in pieces of the size that is asked for", () => {
    const tree = emptyTree()
    for (let n = 0; n < 2_000; n++) tree.set(pathOf(n, 0), valueOf(n), 1, n)
    let pieces = 1
    while (!tree.settle(10)) pieces++
    expect(pieces).toBeGreaterThan(10)
    const whole = emptyTree()
    for (let n = 1_999; n >= 0; n--) whole.set(pathOf(n, 0), valueOf(n), 1, n)
    expect(hex(tree.root)).toBe(rootOf(whole))
  })

  test("gives no root while a digest is stale", () => {
    const tree = emptyTree()
    expect(() => tree.root).toThrow(/stale/)
    rootOf(tree)
    tree.set(pathOf(1, 0), valueOf(1), 1, 1)
    expect(() => tree.root).toThrow(/stale/)
    expect(() => tree.childrenAt(pathOf(1, 0), 0)).toThrow(/stale/)
  })
})
