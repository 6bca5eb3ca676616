// The Merkle tree of a store, as its users meet it: roots, proofs, differences. What is asked for is found behind everything
// that was written before the call.

import type { Engine } from "../actors/engine.ts"
import { MERKLE_TABLE, ROOT_KEY } from "../actors/merkle-record.ts"
import type { RecordedRoot } from "../actors/merkle-record.ts"
import type { MerkleRoot } from "../model/merkle.ts"
import type { MerkleFold } from "../merkle/merkle-fold.ts"
import { differencesOf } from "../merkle/merkle-difference.ts"
import type { MerkleDifference, MerkleEntry, MerkleNode, MerkleSource } from "../merkle/merkle-difference.ts"
import { CHILD_COUNT, comparePaths, DEPTH_MAX, pathOf } from "../merkle/merkle-hash.ts"
import { hex, proofOf } from "../merkle/merkle-proof.ts"
import type { MerkleProof } from "../merkle/merkle-proof.ts"
import type { TreeEntry } from "../merkle/merkle-tree.ts"
import { DIGEST_SIZE } from "../model/digest.ts"
import { KeyRefused, LimitExceeded } from "../model/errors.ts"
import { KEY_SIZE_MAX } from "../model/limits.ts"
import { shardOf } from "../physics/placement.ts"
import type { TableEntry } from "../table/catalogue.ts"
import { keysWithHash } from "../table/keys-by-hash.ts"
import { abortable } from "./abortable.ts"
import { record, throwIfAborted } from "./option-checks.ts"
import type { MerkleCallOptions } from "./options.ts"
import type { StoreLife } from "./store-life.ts"
import { systemTable } from "./system-table.ts"
import { checkKey } from "./table-view.ts"
import type { TableContext } from "./table-context.ts"
import { withProgress } from "./with-progress.ts"

/** Nodes that may be asked for at a time. */
const NODE_COUNT_MAX = 4_096

export class StoreMerkle {
  readonly #engine: Engine
  readonly #life: StoreLife

  constructor(engine: Engine, life: StoreLife) {
    this.#engine = engine
    this.#life = life
  }

  /** Has roots written to the log, through the store's own way of writing. */
  recordThrough(context: TableContext): void {
    const { catalogue, merkle } = this.#engine
    merkle.onRoot = (root) => {
      const recorded: RecordedRoot = { version: 1, ...root }
      // One that is not written is followed by another.
      systemTable<RecordedRoot>(context, catalogue, MERKLE_TABLE)
        .put(ROOT_KEY, recorded)
        .catch(() => undefined)
    }
  }

  root(options: MerkleCallOptions): Promise<MerkleRoot> {
    return this.#use(options, (fold) => fold.root)
  }

  async prove(entry: TableEntry, key: string, options: MerkleCallOptions): Promise<MerkleProof> {
    checkKey(key)
    // Encoded it would be another key, which may be there.
    if (!key.isWellFormed()) throw new KeyRefused("holds a lone surrogate, and no key that is there does")
    const size = Buffer.byteLength(key)
    if (size > KEY_SIZE_MAX) throw new LimitExceeded("the key's size in bytes", KEY_SIZE_MAX, size, "Use a shorter key")
    return this.#use(options, (fold) => proofOf(fold.tree, entry.name, key))
  }

  source(): MerkleSource {
    return {
      nodes: async (prefixes) => {
        checkPrefixes(prefixes)
        return this.#use({}, (fold) => prefixes.map((prefix) => this.#node(fold, prefix)))
      },
    }
  }

  difference(other: MerkleSource, options: MerkleCallOptions): AsyncIterableIterator<MerkleDifference> {
    record("options", options, ["onProgress", "signal"])
    if (typeof other !== "object" || other === null || typeof other.nodes !== "function") {
      throw new TypeError("a difference is found to a Merkle source: an object with a function nodes")
    }
    return differencesOf(this.source(), other, options.signal)
  }

  async #use<T>(options: MerkleCallOptions, work: (fold: MerkleFold) => T): Promise<T> {
    record("options", options, ["onProgress", "signal"])
    const { onProgress, signal } = options
    throwIfAborted(signal)
    await abortable(this.#life.flush(), signal)
    return withProgress(onProgress, signal, (tell) => this.#engine.merkle.use(work, tell))
  }

  #node({ tree }: MerkleFold, prefix: string): MerkleNode {
    const depth = prefix.length
    const path = Buffer.from(prefix.padEnd(DEPTH_MAX, "0"), "hex")
    const digests = tree.childrenAt(path, depth)
    if (digests === undefined) return { entries: tree.entriesAt(path, depth).map((entry) => this.#entry(entry)) }
    const children = Array.from({ length: CHILD_COUNT }, (_, child) => {
      const digest = digests.subarray(child * DIGEST_SIZE, (child + 1) * DIGEST_SIZE)
      return digest.every((byte) => byte === 0) ? "" : hex(digest)
    })
    return { children }
  }

  /** The tree knows digests only: whose they are is asked of the tables. */
  #entry({ path, valueDigest, tableId, hash }: TreeEntry): MerkleEntry {
    const { catalogue, merkle, shards } = this.#engine
    const name = catalogue.byId(tableId)?.name
    const partition = shards[shardOf(hash, shards.length)]?.require().partition(tableId)
    if (partition !== undefined && partition.pending > 0) partition.drain(this.#engine.requireBuffer())
    const keys = partition === undefined ? [] : keysWithHash(partition.table, hash)
    const isIt = (key: string): boolean => comparePaths(pathOf(merkle.hasher, name ?? "", key), 0, path, 0) === 0
    const key = keys.find(isIt)
    return {
      path: hex(path),
      valueDigest: hex(valueDigest),
      table: key === undefined ? null : (name ?? null),
      key: key ?? null,
    }
  }
}

function checkPrefixes(prefixes: readonly string[]): void {
  const isPrefix = (prefix: unknown): boolean => typeof prefix === "string" && /^[0-9a-f]{0,64}$/.test(prefix)
  if (!Array.isArray(prefixes) || prefixes.length > NODE_COUNT_MAX || !prefixes.every(isPrefix)) {
    throw new TypeError(`prefixes must be at most ${NODE_COUNT_MAX} strings of up to 64 hexadecimal digits`)
  }
}
