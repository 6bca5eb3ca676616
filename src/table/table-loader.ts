// Fills an empty table with records that come in the order of their mixed hashes, as a checkpoint has them: the index is
// written front to back, one segment after the other, without a search and without a cache miss. Several times as fast
// as putting the same records one by one. Records are copied, or the memory that they lie in is taken over as it is.

import { recordSize } from "../format/record.ts"
import type { RecordBuffer } from "../format/record.ts"
import { invariant } from "../model/invariant.ts"
import { IndexBuilder } from "./index-builder.ts"
import { addressOf, chunkOf, wordOf } from "./slabs.ts"
import type { Table } from "./table.ts"
import { copyWords } from "./word-copy.ts"

export class TableLoader {
  readonly #table: Table
  readonly #builder: IndexBuilder
  #bytes = 0
  /** The chunk whose records are adopted, or -1; how many, and their bytes. */
  #chunk = -1
  #chunkRecords = 0
  #chunkBytes = 0

  /** `expectedCount`: about how many records come; being wrong costs memory or time, nothing else. */
  constructor(table: Table, expectedCount: number) {
    invariant(table.count === 0, "an empty table is loaded")
    this.#table = table
    this.#builder = new IndexBuilder(expectedCount)
  }

  /**
   * Copies the record at a word, as tables keep it. Requires: its key is a new one, and no mixed hash before was greater
   * than this, its own.
   */
  add(words: Uint32Array, at: number, mixed: number): void {
    const size = recordSize((words[at + 2] as number) & 0xffff, words[at + 1] as number)
    const { slabs } = this.#table
    const address = slabs.allocate(size)
    copyWords(words, at, slabs.chunkWords[chunkOf(address)] as Uint32Array, wordOf(address), size >>> 2)
    this.#builder.add(mixed, address)
    this.#bytes += size
  }

  /**
   * Takes over the record of `size` bytes at a word of `memory`, where it is. Requires: as for `add`, and `settle` before
   * other memory comes; nobody else changes the record; the memory is at most PACKED_SIZE_MAX.
   */
  adopt(memory: RecordBuffer, at: number, mixed: number, size: number): void {
    if (this.#chunk < 0) this.#chunk = this.#table.slabs.adopt(memory.bytes, memory.words)
    this.#builder.add(mixed, addressOf(this.#chunk, at >>> 1))
    this.#chunkRecords++
    this.#chunkBytes += size
  }

  /** No more records of this memory come. */
  settle(): void {
    if (this.#chunk < 0) return
    this.#table.slabs.settle(this.#chunk, this.#chunkRecords, this.#chunkBytes)
    this.#bytes += this.#chunkBytes
    this.#chunk = -1
    this.#chunkRecords = 0
    this.#chunkBytes = 0
  }

  /** Makes what was added the table's. */
  finish(): void {
    this.settle()
    this.#table.adopt(this.#builder, this.#bytes)
  }
}
