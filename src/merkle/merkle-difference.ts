// What is different between the contents of two trees, found from their roots down: where two digests are equal nothing
// below them is read. Each tree is behind a small interface that can be served over a wire.
//
// Guarantees: reads O(differences x depth) nodes of each, a bounded number of them at a time. Exact where neither content
// changes meanwhile; of what does, each key is told as it was when it was read, or not at all.

import { CHILD_COUNT } from "./merkle-hash.ts"

/** A record of a bucket, as it goes over the wire. */
export interface MerkleEntry {
  /** 64 hexadecimal digits. */
  readonly path: string
  readonly valueDigest: string
  /** Null where the record is gone since. */
  readonly table: string | null
  readonly key: string | null
}

/** What is known of the paths that begin with the same digits: a node's children, or, where they are few, the records. */
export type MerkleNode =
  /** The digests of the sixteen children, by the next digit of the path; empty where there is none. */
  { readonly children: readonly string[] } | { readonly entries: readonly MerkleEntry[] }

/** Where the nodes of a tree are read: a store's own, or one at the other end of a wire. */
export interface MerkleSource {
  /** The nodes of these beginnings of paths, in their order: up to 64 hexadecimal digits each, none for the root. */
  nodes(prefixes: readonly string[]): Promise<readonly MerkleNode[]>
}

/** A key that the two contents do not have alike. */
export interface MerkleDifference {
  /** Undefined where the record is gone since, so that nobody knows any more whose path it was. */
  readonly table: string | undefined
  readonly key: string | undefined
  readonly path: string
  /** The digest of the value here and there; undefined where there is none. */
  readonly here: string | undefined
  readonly there: string | undefined
}

/** Nodes that are asked for at a time. */
const NODE_COUNT_MAX = 256

/** Every key that differs. Fails with what the sources fail with, TypeError where one gives no nodes, the signal's reason. */
export async function* differencesOf(
  here: MerkleSource,
  there: MerkleSource,
  signal: AbortSignal | undefined,
): AsyncGenerator<MerkleDifference, void, undefined> {
  const waiting = [""]
  while (waiting.length > 0) {
    signal?.throwIfAborted()
    // The deepest first: so what waits is bounded by the depth, not by the number of differences.
    const prefixes = waiting.splice(-NODE_COUNT_MAX)
    const [ours, theirs] = await Promise.all([here.nodes(prefixes), there.nodes(prefixes)])
    for (const [index, prefix] of prefixes.entries()) {
      const left = checkedNode(ours[index])
      const right = checkedNode(theirs[index])
      if ("entries" in left && "entries" in right) yield* differingEntries(left.entries, right.entries)
      else waiting.push(...differingPrefixes(prefix, left, right))
    }
  }
}

function differingPrefixes(prefix: string, left: MerkleNode, right: MerkleNode): string[] {
  const prefixes: string[] = []
  for (let child = 0; child < CHILD_COUNT; child++) {
    const next = prefix + child.toString(16)
    const isSame =
      "children" in left && "children" in right
        ? left.children[child] === right.children[child]
        : isEmpty(left, child, next) && isEmpty(right, child, next)
    if (!isSame) prefixes.push(next)
  }
  return prefixes
}

function isEmpty(node: MerkleNode, child: number, prefix: string): boolean {
  return "children" in node ? node.children[child] === "" : !node.entries.some(({ path }) => path.startsWith(prefix))
}

function* differingEntries(
  ours: readonly MerkleEntry[],
  theirs: readonly MerkleEntry[],
): Generator<MerkleDifference, void, undefined> {
  const others = new Map(theirs.map((entry) => [entry.path, entry]))
  for (const entry of ours) {
    const other = others.get(entry.path)
    others.delete(entry.path)
    if (other?.valueDigest !== entry.valueDigest) yield difference(entry.path, entry, other)
  }
  for (const other of others.values()) yield difference(other.path, undefined, other)
}

function difference(path: string, here: MerkleEntry | undefined, there: MerkleEntry | undefined): MerkleDifference {
  return {
    table: here?.table ?? there?.table ?? undefined,
    key: here?.key ?? there?.key ?? undefined,
    path,
    here: here?.valueDigest,
    there: there?.valueDigest,
  }
}

/** What came over a wire is looked at before it is believed to be a node. */
function checkedNode(node: MerkleNode | undefined): MerkleNode {
  const isNode =
    typeof node === "object" &&
    ("children" in node ? Array.isArray(node.children) && node.children.length === CHILD_COUNT : "entries" in node)
  if (!isNode) throw new TypeError("a Merkle source must give a node for each beginning of a path that it is asked for")
  return node
}
