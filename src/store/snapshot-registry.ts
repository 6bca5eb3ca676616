// The snapshots of a store: takes them at the LSN of the last commit, ends them where what they read is gone, and sees to
// it that what they kept is released. Those of users and those of transactions are the same here.
//
// Guarantees: a snapshot reads what every commit up to its LSN has made, and nothing later. It is ended, and says so, when
// its versions grow beyond the bound, and when a shard was built anew: that one has the newest state and no other.

import type { Engine } from "../actors/engine.ts"
import { SnapshotExpired } from "../model/transaction-errors.ts"
import type { Timer } from "../platform/clock.ts"
import { Retention } from "../table/retention.ts"
import type { OpenSnapshot } from "../table/retention.ts"
import type { ShardTables } from "../table/shard-tables.ts"

/** Versions that are released on the turn that closes a snapshot; the rest follows, a step a turn. */
const PURGE_STEP = 512

const REMEDIES = {
  memory: "Take a new one; keep snapshots for a shorter time, or raise snapshots.bytes",
  rebuilt: "Take a new one",
}
const REASONS = {
  memory: "the versions that it needs are more than snapshots.bytes allows",
  rebuilt: "a part of the store was built anew from the log, which keeps the newest state only",
}

export class SnapshotRegistry {
  readonly retention: Retention
  readonly #engine: Engine
  /** The shards' state as it was when the open snapshots were taken. */
  #tables: (ShardTables | undefined)[] = []
  #purgeTimer: Timer | undefined

  constructor(engine: Engine, bytesMax: number) {
    this.#engine = engine
    this.retention = new Retention(bytesMax)
  }

  /** Opens one at the last commit; `release` has to follow. Fails with: Restarting, StoreClosed. */
  take(): OpenSnapshot {
    const engine = this.#engine
    const { state } = engine.status
    if (state === "closed") throw engine.closedError()
    for (const shard of engine.shards) shard.require()
    this.#checkShards()
    for (let index = 0; index < engine.shards.length; index++) this.#attach(index)
    // What is noted belongs to the state that is read; what comes later does not.
    engine.drainShards()
    return this.retention.open(engine.commit?.lastLsn ?? engine.lsnMin - 1)
  }

  release(snapshot: OpenSnapshot): void {
    this.retention.close(snapshot)
    this.#purge()
  }

  /** The state of a shard, for a read at the snapshot. Fails with: SnapshotExpired, StoreClosed. */
  require(index: number, snapshot: OpenSnapshot): ShardTables {
    this.check(snapshot)
    return this.#tables[index] as ShardTables
  }

  /** Fails with: SnapshotExpired where the snapshot does not hold any more, StoreClosed. */
  check(snapshot: OpenSnapshot): void {
    if (snapshot.ended === undefined) this.#checkShards()
    const { ended } = snapshot
    if (ended === undefined) return
    const { state } = this.#engine.status
    if (state === "closed" || (state === "closing" && ended === "rebuilt")) throw this.#engine.closedError()
    if (ended === "closed") throw new SnapshotExpired(snapshot.lsn, "it was closed by its user", "Take a new one")
    throw new SnapshotExpired(snapshot.lsn, REASONS[ended], REMEDIES[ended])
  }

  /** A shard that is down, or was built anew, has no versions of what was before. */
  #checkShards(): void {
    const { shards } = this.#engine
    for (let index = 0; index < this.#tables.length; index++) {
      if (this.#tables[index] === shards[index]?.tables) continue
      this.#tables.length = 0
      this.retention.endAll("rebuilt")
      this.#purge()
      return
    }
  }

  #attach(index: number): void {
    const tables = this.#engine.shards[index]?.tables
    if (tables === undefined || this.#tables[index] === tables) return
    tables.retain(this.retention)
    this.#tables[index] = tables
  }

  #purge(): void {
    if (!this.retention.purgeStep(PURGE_STEP) || this.#purgeTimer !== undefined) return
    this.#purgeTimer = this.#engine.clock.after(0, () => {
      this.#purgeTimer = undefined
      this.#purge()
    })
  }
}
