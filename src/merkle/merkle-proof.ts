// Proofs that a key is in the content of a root, with a value of a certain digest, or that it is not. Plain data, small,
// and checked without a store.
//
// Guarantees: whoever can make a proof of something false has found two inputs with the same SHA-256. A proof of absence
// shows the whole bucket where the key would have to be, or the gap instead of one. Every bit of a proof counts: with another
// one in its place it does not hold, unless it is as true then, of another key that is absent.

import { DIGEST_SIZE } from "../model/digest.ts"
import { KEY_SIZE_MAX, TABLE_NAME_SIZE_MAX } from "../model/limits.ts"
import {
  BUCKET_COUNT_MAX,
  CHILD_COUNT,
  CHILDREN_SIZE,
  comparePaths,
  DEPTH_MAX,
  ENTRY_SIZE,
  nibbleAt,
  pathOf,
} from "./merkle-hash.ts"
import type { MerkleHasher } from "./merkle-hash.ts"
import { beginsWith } from "./merkle-tree.ts"
import type { MerkleTree } from "./merkle-tree.ts"

/** Plain data: it survives JSON. */
export interface MerkleProof {
  readonly version: 1
  readonly table: string
  readonly key: string
  /** Whether it proves that the key is there, or that it is not. */
  readonly present: boolean
  /** The digest of the value, see `merkleValueDigest`; null where the key is absent. */
  readonly valueDigest: string | null
  /**
   * Of each inner node from the root down, in hexadecimal digits: a bit for each child beside the way that is there, the
   * first one the lowest, as four digits; then the digests of those children.
   */
  readonly levels: readonly string[]
  /** Paths and value digests of all records of the bucket that the way ends in, in hexadecimal digits; or nothing. */
  readonly bucket: string
}

/** Requires: no digest of the tree is stale; the names are within their limits. */
export function proofOf(tree: MerkleTree, table: string, key: string): MerkleProof {
  const path = Uint8Array.from(pathOf(tree.hasher, table, key))
  const valueDigest = tree.get(path)
  const depth = tree.depthOf(path)
  const levels: string[] = []
  for (let at = 0; at < depth; at++) {
    levels.push(levelOf(tree.childrenAt(path, at) ?? new Uint8Array(CHILDREN_SIZE), nibbleAt(path, 0, at)))
  }
  const bucket = tree.entriesAt(path, depth).map((entry) => hex(entry.path) + hex(entry.valueDigest))
  return {
    version: 1,
    table,
    key,
    present: valueDigest !== undefined,
    valueDigest: valueDigest === undefined ? null : hex(valueDigest),
    levels,
    bucket: bucket.join(""),
  }
}

/** Whether a proof holds for a root. False also for whatever is no proof at all; never throws. */
export function isProofRight(hasher: MerkleHasher, root: unknown, proof: unknown): boolean {
  const given = checkedProof(proof)
  if (given === undefined || !isHex(root, DIGEST_SIZE)) return false
  const path = Uint8Array.from(pathOf(hasher, given.table, given.key))
  const { levels, present, valueDigest } = given
  const bucket = Buffer.from(given.bucket, "hex")
  const found = valueIn(bucket, path, levels.length)
  if (found === "wrong" || (found !== undefined) !== present || (found ?? null) !== valueDigest) return false
  // Only an empty tree has an empty bucket; elsewhere there is no node at all.
  let digest: Uint8Array = new Uint8Array(DIGEST_SIZE)
  if (bucket.length > 0 || levels.length === 0) {
    bucket.copy(hasher.bucketInput, 1)
    digest = hasher.bucket(bucket.length / ENTRY_SIZE)
  }
  for (let depth = levels.length - 1; depth >= 0; depth--) {
    const children = childrenOf(levels[depth] as string, nibbleAt(path, 0, depth))
    if (children === undefined) return false
    children.set(digest, nibbleAt(path, 0, depth) * DIGEST_SIZE)
    digest = hasher.inner(children, 0)
  }
  return hex(digest) === root
}

/** The children beside the one that the way leads through. */
function levelOf(children: Uint8Array, nibble: number): string {
  let mask = 0
  let digests = ""
  for (let child = 0; child < CHILD_COUNT; child++) {
    const digest = children.subarray(child * DIGEST_SIZE, (child + 1) * DIGEST_SIZE)
    if (child === nibble || isZero(digest)) continue
    mask |= 1 << child
    digests += hex(digest)
  }
  return mask.toString(16).padStart(4, "0") + digests
}

/** The digests of a level, zeros where there is none and for the child on the way; undefined where it is no level. */
function childrenOf(level: string, nibble: number): Buffer | undefined {
  const mask = Number.parseInt(level.slice(0, 4), 16)
  if ((mask & (1 << nibble)) !== 0) return undefined
  const digests = Buffer.from(level.slice(4), "hex")
  const children = Buffer.alloc(CHILDREN_SIZE)
  let taken = 0
  for (let child = 0; child < CHILD_COUNT; child++) {
    if ((mask & (1 << child)) === 0) continue
    const digest = digests.subarray(taken, taken + DIGEST_SIZE)
    if (digest.length < DIGEST_SIZE || isZero(digest)) return undefined
    children.set(digest, child * DIGEST_SIZE)
    taken += DIGEST_SIZE
  }
  return taken === digests.length ? children : undefined
}

/** The value digest at a path, undefined where there is none; "wrong" where the bucket cannot be one. */
function valueIn(bucket: Buffer, path: Uint8Array, depth: number): string | undefined {
  let found: string | undefined
  for (let at = 0; at < bucket.length; at += ENTRY_SIZE) {
    if (at > 0 && comparePaths(bucket, at - ENTRY_SIZE, bucket, at) >= 0) return "wrong"
    if (!beginsWith(bucket.subarray(at, at + DIGEST_SIZE), path, depth)) return "wrong"
    if (comparePaths(bucket, at, path, 0) === 0) found = hex(bucket.subarray(at + DIGEST_SIZE, at + ENTRY_SIZE))
  }
  return found
}

/** The proof, if it has the form of one: nothing missing, nothing more. */
function checkedProof(proof: unknown): MerkleProof | undefined {
  if (typeof proof !== "object" || proof === null) return undefined
  const fields = proof as Readonly<Record<keyof MerkleProof, unknown>>
  const { version, table, key, present, valueDigest, levels, bucket } = fields
  const isName = (text: unknown, sizeMax: number): text is string =>
    typeof text === "string" && text.isWellFormed() && Buffer.byteLength(text) <= sizeMax
  const isRight =
    version === 1 &&
    isName(table, TABLE_NAME_SIZE_MAX) &&
    isName(key, KEY_SIZE_MAX) &&
    typeof present === "boolean" &&
    (valueDigest === null || isHex(valueDigest, DIGEST_SIZE)) &&
    Array.isArray(levels) &&
    levels.length <= DEPTH_MAX &&
    levels.every((level) => typeof level === "string" && /^[0-9a-f]{4}([0-9a-f]{64}){0,15}$/.test(level)) &&
    typeof bucket === "string" &&
    bucket.length % (2 * ENTRY_SIZE) === 0 &&
    bucket.length <= BUCKET_COUNT_MAX * 2 * ENTRY_SIZE &&
    /^[0-9a-f]*$/.test(bucket)
  return isRight ? (proof as MerkleProof) : undefined
}

export function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("hex")
}

function isHex(text: unknown, size: number): text is string {
  return typeof text === "string" && text.length === 2 * size && /^[0-9a-f]*$/.test(text)
}

function isZero(bytes: Uint8Array): boolean {
  return bytes.every((byte) => byte === 0)
}
