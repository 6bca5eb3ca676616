// The fold of the log into state: written once, and used by recovery, by the restart of a shard, and by whatever else
// derives state from the log. Takes frames in log order; what it has taken is exactly the state behind the last one.

import { shardOf } from "../physics/placement.ts"
import type { Catalogue } from "../table/catalogue.ts"
import type { ShardTables } from "../table/shard-tables.ts"
import type { LogFrame } from "../format/log-frame.ts"
import { LoggedOperations } from "./logged-operations.ts"

export class Fold {
  /** The last LSN taken. */
  lastLsn = 0
  readonly #catalogue: Catalogue
  readonly #shards: readonly (ShardTables | undefined)[]
  #operations: LoggedOperations | undefined

  /** Shards that are undefined are left out: their records are passed over. */
  constructor(catalogue: Catalogue, shards: readonly (ShardTables | undefined)[]) {
    this.#catalogue = catalogue
    this.#shards = shards
  }

  /** Takes the frame's commits, up to and with `through`. Fails with: Corruption, when some are in the state already. */
  apply(frame: LogFrame, through: number = Number.POSITIVE_INFINITY): void {
    const { buffer } = frame
    const shards = this.#shards
    const operations = (this.#operations ??= new LoggedOperations(this.#catalogue, frame))
    operations.begin(frame, through)
    const { walk } = operations
    while (operations.next()) shards[shardOf(walk.hash, shards.length)]?.apply(buffer, walk.offset, walk.lsn)
    // The frame's bytes are gone after this call.
    for (const shard of shards) shard?.drain(buffer)
    this.lastLsn = Math.min(frame.lastLsn, through)
  }
}
