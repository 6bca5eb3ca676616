// The fold of the log into a Merkle tree: the same records in the same order as they go into tables, each as the digest of
// its key and of its canonical value. Takes records one at a time, so that its owner can divide the work; between two
// commits of the log the tree is exact. The engine's own tables are left out: they are how a store keeps itself, and not
// what it holds.

import { KIND_DELETE, KIND_PUT, RECORD_HEADER_SIZE, RECORD_KIND, RECORD_TABLE } from "../format/record.ts"
import type { RecordBuffer } from "../format/record.ts"
import { CanonicalWriter } from "../format/value-canonical.ts"
import type { Sha256 } from "../model/digest.ts"
import { invariant } from "../model/invariant.ts"
import type { MerkleRoot } from "../model/merkle.ts"
import type { Catalogue } from "../table/catalogue.ts"
import type { TableEntry } from "../table/catalogue.ts"
import { MerkleHasher, TAG_VALUE } from "./merkle-hash.ts"
import { hex } from "./merkle-proof.ts"
import { MerkleTree } from "./merkle-tree.ts"

interface KnownTable {
  readonly entry: TableEntry
  readonly name: Uint8Array
}

export class MerkleFold {
  readonly tree: MerkleTree
  /** The last commit taken. Set by whoever gives the records. */
  lsn: number
  /** Records of users that were taken; rises with every change. */
  takenCount = 0
  readonly #catalogue: Catalogue
  readonly #canonical: CanonicalWriter
  readonly #tables: (KnownTable | undefined)[] = []

  /** Requires: the catalogue defines every table and shape before the records that name it are taken. */
  constructor(catalogue: Catalogue, sha256: Sha256, lsn: number) {
    this.#catalogue = catalogue
    this.#canonical = new CanonicalWriter(catalogue.shapes, sha256)
    this.tree = new MerkleTree(new MerkleHasher(sha256))
    this.lsn = lsn
  }

  /** Takes a record of the log; definitions are passed over. Fails with: ValueDamaged. */
  takeLogged(buffer: RecordBuffer, at: number): void {
    const kind = buffer.bytes[at + RECORD_KIND] as number
    if (kind !== KIND_PUT && kind !== KIND_DELETE) return
    this.#take(buffer, at, buffer.words[(at + RECORD_TABLE) >>> 2] as number, kind)
  }

  /** Takes a record as tables and checkpoints keep it. Fails with: ValueDamaged. */
  takeKept(buffer: RecordBuffer, at: number, tableId: number): void {
    this.#take(buffer, at, tableId, KIND_PUT)
  }

  /** The root as it is. Requires: the tree is settled. */
  get root(): MerkleRoot {
    return { lsn: this.lsn, root: hex(this.tree.root), records: this.tree.count }
  }

  #take(buffer: RecordBuffer, at: number, tableId: number, kind: number): void {
    const { entry, name } = this.#tableOf(tableId)
    if (entry.isSystem) return
    this.takenCount++
    const { bytes, words } = buffer
    const keyStart = at + RECORD_HEADER_SIZE
    const keyEnd = keyStart + ((words[(at >>> 2) + 2] as number) & 0xffff)
    const { tree } = this
    const path = tree.hasher.path(name, bytes, keyStart, keyEnd)
    if (kind === KIND_DELETE) tree.remove(path)
    else {
      const value = this.#canonical.write(TAG_VALUE, bytes, keyEnd, keyEnd + (words[(at >>> 2) + 1] as number))
      tree.set(path, tree.hasher.sha256(value), tableId, words[at >>> 2] as number)
    }
  }

  #tableOf(tableId: number): KnownTable {
    const known = this.#tables[tableId]
    if (known !== undefined) return known
    const entry = this.#catalogue.byId(tableId)
    invariant(entry !== undefined, "I8: a record names a defined table")
    const table = { entry, name: Buffer.from(entry.name) }
    while (this.#tables.length < tableId) this.#tables.push(undefined)
    this.#tables[tableId] = table
    return table
  }
}
