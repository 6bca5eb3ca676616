// Proofs and value digests without a store: for whoever holds a root and a proof, and nothing else.

import { allocateRecordBuffer } from "../format/record.ts"
import { ShapeRegistry } from "../format/shape-registry.ts"
import { CanonicalWriter } from "../format/value-canonical.ts"
import { ValueEncoder } from "../format/value-encoder.ts"
import { MerkleHasher, TAG_VALUE } from "../merkle/merkle-hash.ts"
import { hex, isProofRight } from "../merkle/merkle-proof.ts"
import type { MerkleProof } from "../merkle/merkle-proof.ts"
import { nodeSha256 } from "../platform/node/node-platform.ts"

const SIZE_FIRST = 4 * 1024

/**
 * Whether a proof of `table.prove` holds for a root of `store.merkleRoot`: then the content that has this root holds, or
 * does not hold, what the proof says. Needs no store, and trusts nothing but the root. Never throws: whatever is no proof,
 * or says what is not true, does not hold. (Merkle 1987; absence as in CONIKS, Melara et al. 2015.)
 *
 * ```ts
 * const { root } = await store.merkleRoot()
 * const proof = await users.prove("ada")
 * verifyProof(root, proof) && proof.valueDigest === merkleValueDigest({ name: "Ada" })
 * ```
 */
export function verifyProof(root: string, proof: MerkleProof): boolean {
  return isProofRight(new MerkleHasher(nodeSha256), root, proof)
}

/**
 * What a proof says in `valueDigest` where the key holds this value: 64 hexadecimal digits.
 * Fails with: ValueRefused, LimitExceeded.
 */
export function merkleValueDigest(value: unknown): string {
  const shapes = new ShapeRegistry()
  const encoder = new ValueEncoder(shapes)
  let { bytes } = allocateRecordBuffer(SIZE_FIRST)
  let end = encoder.encode(value, bytes, 0)
  for (; end < 0; end = encoder.encode(value, bytes, 0)) bytes = allocateRecordBuffer(4 * bytes.length).bytes
  return hex(nodeSha256(new CanonicalWriter(shapes, nodeSha256).write(TAG_VALUE, bytes, 0, end)))
}
