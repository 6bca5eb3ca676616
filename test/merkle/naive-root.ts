// The Merkle root as docs/merkle.md defines it, written down as plainly as it can be: everything is hashed anew, from the
// root down, without a tree that is kept. What the engine says is compared with this.

import { createHash } from "node:crypto"
import { merkleValueDigest } from "../../src/index.ts"

export interface Content {
  readonly table: string
  readonly key: string
  readonly value: unknown
}

interface Leaf {
  readonly path: Buffer
  readonly valueDigest: Buffer
}

export function sha256(...parts: readonly Uint8Array[]): Buffer {
  const hash = createHash("sha256")
  for (const part of parts) hash.update(part)
  return hash.digest()
}

export function naivePath(table: string, key: string): Buffer {
  const name = Buffer.from(table)
  return sha256(Uint8Array.of(3, name.length & 0xff, name.length >> 8), name, Buffer.from(key))
}

export function naiveRoot(content: Iterable<Content>): string {
  const leaves = Array.from(content, ({ table, key, value }): Leaf => ({
    path: naivePath(table, key),
    valueDigest: Buffer.from(merkleValueDigest(value), "hex"),
  }))
  return naiveDigest(leaves, 0).toString("hex")
}

/** The same from paths and value digests. */
export function naiveRootOf(leaves: Iterable<readonly [Uint8Array, Uint8Array]>): string {
  return naiveDigest(
    Array.from(leaves, ([path, valueDigest]) => ({ path: Buffer.from(path), valueDigest: Buffer.from(valueDigest) })),
    0,
  ).toString("hex")
}

function naiveDigest(leaves: readonly Leaf[], depth: number): Buffer {
  if (leaves.length <= 16) {
    const sorted = leaves.toSorted((left, right) => Buffer.compare(left.path, right.path))
    return sha256(Uint8Array.of(0), ...sorted.flatMap(({ path, valueDigest }) => [path, valueDigest]))
  }
  const digit = (leaf: Leaf): number => Number.parseInt(leaf.path.toString("hex")[depth] as string, 16)
  const children = Array.from({ length: 16 }, (_, child) => {
    const below = leaves.filter((leaf) => digit(leaf) === child)
    return below.length === 0 ? Buffer.alloc(32) : naiveDigest(below, depth + 1)
  })
  return sha256(Uint8Array.of(1), ...children)
}
