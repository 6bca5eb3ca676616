// The records of a frame, as whoever folds the log takes them: puts and deletes one by one, definitions into the catalogue
// on the way. A checksum says that a frame is what was written, not that it makes sense: what contradicts itself, or what
// is known, is refused at its place, before it gets into anybody's state.

import { contradiction } from "../format/log-frame.ts"
import type { LogFrame } from "../format/log-frame.ts"
import { KIND_DEFINE_SHAPE, KIND_DEFINE_TABLE, KIND_DELETE, KIND_PUT } from "../format/record.ts"
import { RecordWalk } from "../format/record-walk.ts"
import type { Catalogue } from "../table/catalogue.ts"
import { takeDefinition } from "../table/definitions.ts"

export class LoggedOperations {
  /** Stands on the put or delete that `next` went to. */
  readonly walk: RecordWalk
  readonly #catalogue: Catalogue
  #frame: LogFrame
  #through = 0
  /** The table that was looked up last. */
  #tableId = 0

  /** Definitions go to the catalogue. */
  constructor(catalogue: Catalogue, frame: LogFrame) {
    this.walk = new RecordWalk(frame.buffer)
    this.#catalogue = catalogue
    this.#frame = frame
  }

  /** Starts over in front of the frame's first record; commits behind `through` are left out. */
  begin(frame: LogFrame, through: number): void {
    this.walk.reset(frame.buffer, frame.start, frame.end, frame.firstLsn)
    this.#frame = frame
    this.#through = through
    this.#tableId = 0
  }

  /** Goes to the next put or delete. False behind the last one. Fails with: Corruption. */
  next(): boolean {
    const { walk } = this
    while (walk.advance()) {
      if (walk.lsn > this.#through) return false
      const { kind } = walk
      if (kind === KIND_PUT || kind === KIND_DELETE) {
        if (walk.tableId !== this.#tableId) this.#requireTable(walk.tableId)
        if (walk.lsn < this.#frame.firstLsn) throw this.#contradiction("the rest of a commit at its beginning")
        return true
      }
      this.#define(kind)
    }
    if (!walk.isAtEnd) throw this.#contradiction("a record that goes beyond its end")
    const { place, lastLsn } = this.#frame
    if (place !== undefined && walk.lsn !== lastLsn) {
      throw this.#contradiction(`commits up to LSN ${walk.lsn}, where its header says ${lastLsn}`)
    }
    return false
  }

  #define(kind: number): void {
    const { walk } = this
    const isDefinition = kind === KIND_DEFINE_TABLE || kind === KIND_DEFINE_SHAPE
    const problem = isDefinition
      ? takeDefinition(this.#catalogue, walk.buffer, walk.offset)
      : `a record of kind ${kind}, which is unknown`
    if (problem !== undefined) throw this.#contradiction(problem)
  }

  #requireTable(tableId: number): void {
    if (this.#catalogue.byId(tableId) === undefined) {
      throw this.#contradiction(`a record of table ${tableId}, which is not defined`)
    }
    this.#tableId = tableId
  }

  #contradiction(found: string): Error {
    return contradiction(this.#frame, this.walk.offset, found)
  }
}
