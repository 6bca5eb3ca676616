// What is hashed, and in which form: the one place that trees, proofs and verifiers agree on. Normative text:
// docs/merkle.md, 'What is hashed'. The first byte says what is hashed, so that nothing passes for something else
// (RFC 6962, section 2.1).
//
//   path    03, u16 size of the table's name, name, key          where a record is in the tree
//   value   02, canonical value                                  what it holds
//   bucket  00, then path and value digest of each record, in the order of the paths
//   inner   01, then 16 digests of children; zeros where there is none
//
// A subtree of more than BUCKET_COUNT_MAX records is an inner node, any other a bucket: its form depends on what is in it,
// and on nothing else.

import { DIGEST_SIZE } from "../model/digest.ts"
import type { Sha256 } from "../model/digest.ts"
import { KEY_SIZE_MAX, TABLE_NAME_SIZE_MAX } from "../model/limits.ts"

/** Most records of a bucket. Format. */
export const BUCKET_COUNT_MAX = 16
/** Children of an inner node: one for each value of four bits of the path. Format. */
export const CHILD_COUNT = 16
/** Inner nodes between the root and a bucket, at most. */
export const DEPTH_MAX: number = DIGEST_SIZE * 2
/** A record in a bucket: path, then value digest. */
export const ENTRY_SIZE: number = 2 * DIGEST_SIZE
export const CHILDREN_SIZE: number = CHILD_COUNT * DIGEST_SIZE

const TAG_BUCKET = 0
const TAG_INNER = 1
/** In front of a canonical value. */
export const TAG_VALUE = 2
const TAG_PATH = 3

const PATH_INPUT_SIZE_MAX = 3 + TABLE_NAME_SIZE_MAX + KEY_SIZE_MAX
const NODE_INPUT_SIZE_MAX = 1 + Math.max(BUCKET_COUNT_MAX * ENTRY_SIZE, CHILDREN_SIZE)

export class MerkleHasher {
  readonly sha256: Sha256
  readonly #input: Buffer = Buffer.alloc(Math.max(PATH_INPUT_SIZE_MAX, NODE_INPUT_SIZE_MAX))

  constructor(sha256: Sha256) {
    this.sha256 = sha256
  }

  /** The path of a record. Requires: name and key are within their limits. */
  path(name: Uint8Array, source: Uint8Array, keyStart: number, keyEnd: number): Uint8Array {
    const input = this.#input
    input[0] = TAG_PATH
    input[1] = name.length & 0xff
    input[2] = name.length >>> 8
    input.set(name, 3)
    let at = 3 + name.length
    if (keyEnd - keyStart < 64) {
      for (let index = keyStart; index < keyEnd; index++) input[at++] = source[index] as number
    } else {
      input.set(source.subarray(keyStart, keyEnd), at)
      at += keyEnd - keyStart
    }
    return this.sha256(input.subarray(0, at))
  }

  /** Where the records of a bucket are put, one behind the other, before `bucket` is called. */
  get bucketInput(): Buffer {
    return this.#input
  }

  /** The digest of so many records, which `place` has put into `bucketInput` from byte 1 on. */
  bucket(count: number): Uint8Array {
    this.#input[0] = TAG_BUCKET
    return this.sha256(this.#input.subarray(0, 1 + count * ENTRY_SIZE))
  }

  /** The digest of a node with the children's digests that lie in `source` from `start` on. */
  inner(source: Buffer, start: number): Uint8Array {
    this.#input[0] = TAG_INNER
    source.copy(this.#input, 1, start, start + CHILDREN_SIZE)
    return this.sha256(this.#input.subarray(0, 1 + CHILDREN_SIZE))
  }
}

/** The path of a record, from texts. Requires: as `MerkleHasher.path`. */
export function pathOf(hasher: MerkleHasher, table: string, key: string): Uint8Array {
  const bytes = Buffer.from(key)
  return hasher.path(Buffer.from(table), bytes, 0, bytes.length)
}

/** Four bits of a path: those that choose the child of a node that lies so deep. */
export function nibbleAt(path: Uint8Array, start: number, depth: number): number {
  const byte = path[start + (depth >>> 1)] as number
  return (depth & 1) === 0 ? byte >>> 4 : byte & 0x0f
}

/** Less than zero, zero or more, as the path at `start` comes before, is or comes behind the other. */
export function comparePaths(left: Uint8Array, leftStart: number, right: Uint8Array, rightStart: number): number {
  for (let index = 0; index < DIGEST_SIZE; index++) {
    const difference = (left[leftStart + index] as number) - (right[rightStart + index] as number)
    if (difference !== 0) return difference
  }
  return 0
}
