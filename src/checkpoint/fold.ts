// The fold of the log into state: written once, and used by recovery, by the restart of a shard, and by whatever else
// derives state from the log. Takes frames in log order; what it has taken is exactly the state behind the last one.

import { KIND_DEFINE_SHAPE, KIND_DEFINE_TABLE } from "../format/record.ts"
import { RecordWalk } from "../format/record-walk.ts"
import { decodeShapeFields } from "../format/shape-registry.ts"
import { shardOf } from "../physics/placement.ts"
import type { Catalogue } from "../table/catalogue.ts"
import type { ShardTables } from "../table/shard-tables.ts"
import type { LogFrame } from "../format/log-frame.ts"

export class Fold {
  /** The last LSN taken. */
  lastLsn = 0
  readonly #catalogue: Catalogue
  readonly #shards: readonly (ShardTables | undefined)[]
  #walk: RecordWalk | undefined

  /** Shards that are undefined are left out: their records are passed over. */
  constructor(catalogue: Catalogue, shards: readonly (ShardTables | undefined)[]) {
    this.#catalogue = catalogue
    this.#shards = shards
  }

  /** Takes the frame's commits, up to and with `through`. */
  apply(frame: LogFrame, through: number = Number.POSITIVE_INFINITY): void {
    const { buffer } = frame
    const shards = this.#shards
    const walk = (this.#walk ??= new RecordWalk(buffer))
    walk.reset(buffer, frame.start, frame.end, frame.firstLsn)
    while (walk.next() && walk.lsn <= through) {
      const { kind } = walk
      if (kind === KIND_DEFINE_TABLE) this.#catalogue.define(walk.tableId, walk.keyText())
      else if (kind === KIND_DEFINE_SHAPE) this.#defineShape(walk)
      else shards[shardOf(walk.hash, shards.length)]?.apply(buffer, walk.offset, walk.lsn)
    }
    // The frame's bytes are gone after this call.
    for (const shard of shards) shard?.drain(buffer)
    this.lastLsn = Math.min(frame.lastLsn, through)
  }

  #defineShape(walk: RecordWalk): void {
    const fields = decodeShapeFields(walk.buffer.bytes, walk.keyEnd, walk.valueEnd)
    this.#catalogue.shapes.define(walk.tableId, fields)
  }
}
