// Seeded bugs of the Merkle tree: a root that depends on more than the content, or on less; proofs of what is not so; and
// differences from what was written down that nobody is told of.

import type { Mutant } from "./mutant.ts"

const TREE = "src/merkle/merkle-tree.ts"
const TREE_TEST = "test/merkle/merkle-tree.test.ts"
const STORE_TEST = "test/store/merkle.test.ts"

export const merkleMutants: readonly Mutant[] = [
  {
    name: "merkle-node-stays-inner",
    file: TREE,
    find: "if (this.#inners.countOf(inner) > BUCKET_COUNT_MAX) continue",
    replace: "if (this.#inners.countOf(inner) >= 0) continue",
    story: "What was removed leaves its mark on the form of the tree: the same content has two roots.",
    tests: [TREE_TEST],
  },
  {
    name: "merkle-change-not-marked",
    file: TREE,
    find: "bytes.set(valueDigest, start + DIGEST_SIZE)\n        this.#markWay(path, 0)",
    replace: "bytes.set(valueDigest, start + DIGEST_SIZE)",
    story: "A value that was overwritten does not reach the root.",
    tests: [TREE_TEST],
  },
  {
    name: "merkle-absence-believed",
    file: "src/merkle/merkle-proof.ts",
    find: 'if (found === "wrong" || (found !== undefined) !== present ||',
    replace: 'if (found === "wrong" || (found === undefined && present) ||',
    story: "A proof that a key is there passes for one that it is not.",
    tests: ["test/merkle/merkle-proof.test.ts"],
  },
  {
    name: "merkle-order-of-shapes-is-content",
    file: "src/format/value-canonical.ts",
    find: "this.#copyRun(this.#at - 2)\n    this.#runStart = this.#at\n    this.#put(TAG_OBJECT, fields.length)",
    replace: "this.#put(TAG_OBJECT, fields.length)",
    story: "The number that a store has given to a shape is part of the digest: equal stores have different roots.",
    tests: ["test/format/value-canonical.test.ts"],
  },
  {
    name: "merkle-mismatch-passed-over",
    file: "src/actors/merkle-actor.ts",
    find: "if (!this.#rules.allowMismatch) throw error",
    replace: "",
    story: "A state that somebody has changed is opened as if its root were right.",
    tests: [STORE_TEST],
  },
  {
    name: "merkle-root-in-the-log-not-compared",
    file: "src/actors/merkle-actor.ts",
    find: 'if (this.verdict.result !== "failed") await this.#compare(fold, recorded, "the log")',
    replace: "",
    story: "What was written behind the last checkpoint is never compared with the root in the log.",
    tests: [STORE_TEST],
  },
  {
    name: "merkle-root-not-verified",
    file: "src/recovery/check-checkpoint.ts",
    find: 'if (verdict.result === "failed") return damaged(0, verdict.reason)',
    replace: "",
    story: "Verifying a store finds that a checkpoint has another root than it says, and calls it good.",
    tests: [STORE_TEST],
  },
]
