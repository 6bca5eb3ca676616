// What a part of the log changes, folded in memory: for each table the records that it puts, and the keys that it
// deletes. Laid over a checkpoint it gives the state behind that part.

import { KIND_DELETE, KIND_PUT, RECORD_KIND } from "../format/record.ts"
import type { RecordBuffer } from "../format/record.ts"
import type { LogFrame } from "../format/log-frame.ts"
import type { RecordWalk } from "../format/record-walk.ts"
import type { Catalogue } from "../table/catalogue.ts"
import { Partition } from "../table/shard-tables.ts"
import { Table } from "../table/table.ts"
import { LoggedOperations } from "./logged-operations.ts"

/** What the log changes in one table. A key that is in both was deleted, then put again. */
export class TableDelta {
  readonly put: Partition = new Partition()
  readonly deleted: Table = new Table()

  /** Whether the delta has a say about the key of a record, by its words. */
  covers(words: Uint32Array, at: number): boolean {
    const hash = words[at] as number
    const keySize = (words[at + 2] as number) & 0xffff
    return (
      this.put.table.find(hash, words, at + 4, keySize) >= 0 ||
      (this.deleted.count > 0 && this.deleted.find(hash, words, at + 4, keySize) >= 0)
    )
  }
}

/** Memory of less is not worth the call. A buffer that was given back has no bytes. */
const GIVEN_BACK_SIZE_MIN = 1024

export class LogDelta {
  /** By the table's number. */
  readonly tables: (TableDelta | undefined)[] = []
  /** The last LSN taken. */
  lastLsn: number
  /** Bytes of the frames taken. */
  logBytes = 0
  readonly #catalogue: Catalogue
  #operations: LoggedOperations | undefined
  readonly #offset = new Uint32Array(1)
  readonly #lsn = new Float64Array(1)

  /** Definitions go to the catalogue, which holds those of the checkpoint already. */
  constructor(catalogue: Catalogue, afterLsn: number) {
    this.#catalogue = catalogue
    this.lastLsn = afterLsn
  }

  /** Takes the frame's commits, up to and with `through`. Fails with: Corruption. */
  apply(frame: LogFrame, through: number = Number.POSITIVE_INFINITY): void {
    const { buffer } = frame
    const operations = (this.#operations ??= new LoggedOperations(this.#catalogue, frame))
    operations.begin(frame, through)
    const { walk } = operations
    while (operations.next()) {
      const table = this.#tableOf(walk.tableId)
      if (walk.kind === KIND_DELETE) this.#delete(buffer, walk, table)
      else table.put.note(buffer, walk.offset, walk.lsn)
    }
    // The frame's bytes are gone after this call.
    for (const table of this.tables) table?.put.drain(buffer)
    this.lastLsn = Math.min(frame.lastLsn, through)
    this.logBytes += frame.end - frame.start
  }

  /**
   * Gives its memory back at once, where the collector would wait until more is allocated, which who made a checkpoint
   * does not do for long. Nothing of it may be used afterwards.
   */
  release(): void {
    for (const table of this.tables.splice(0)) {
      if (table === undefined) continue
      for (const { index, slabs } of [table.put.table, table.deleted]) {
        for (const { buffer } of slabs.chunkBytes) giveBack(buffer)
        for (const { buffer } of index.directory) giveBack(buffer)
      }
    }
  }

  #tableOf(tableId: number): TableDelta {
    while (this.tables.length <= tableId) this.tables.push(undefined)
    return (this.tables[tableId] ??= new TableDelta())
  }

  #delete(buffer: RecordBuffer, walk: RecordWalk, table: TableDelta): void {
    table.put.note(buffer, walk.offset, walk.lsn)
    table.put.drain(buffer)
    // Kept as a record without a value, which for the moment it must look like.
    this.#offset[0] = walk.offset
    this.#lsn[0] = walk.lsn
    buffer.bytes[walk.offset + RECORD_KIND] = KIND_PUT
    table.deleted.applyAll(buffer, this.#offset, this.#lsn, 0, 1)
    buffer.bytes[walk.offset + RECORD_KIND] = KIND_DELETE
  }
}

/** A segment may stand in its directory several times. What is not in use shares the memory of nothing. */
function giveBack(buffer: ArrayBufferLike): void {
  if (buffer instanceof ArrayBuffer && buffer.byteLength >= GIVEN_BACK_SIZE_MIN) buffer.transfer(0)
}
