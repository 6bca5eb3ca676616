// How long versions (table-versions.ts) are kept: as long as a snapshot is open that reads them, and not longer. One
// object serves all tables of a store.
//
// A version that ended while S was the newest snapshot is in S's list. Nobody newer than S can want it; so when S closes,
// it goes to the snapshot before S if it holds there too, and is released otherwise. Lists of closed snapshots are worked
// off in steps of bounded size, by whoever has the time.
//
//   LSN        10        S1=12        17        S2=20        25
//   key k      put ───────┼───────────put────────┼────────────put
//                         └ reads 10             └ reads 17
//   lists      S1: (10 to 17)         S2: (17 to 25)
//
// Guarantees: at most `bytesMax` of versions, but for what one run of changes adds: above it the oldest snapshot is ended.

/** Rows that one run of changes releases at most, above the bound. */
const ENFORCED_ROWS = 1024
const STEP_ROWS = 64

/** The versions of one table, in rows, as the retention needs them (table-versions.ts). */
export interface VersionRows {
  /** The commit that wrote a row's record. */
  startOf(row: number): number
  /** Lets go of a row. Returns the one that followed it in its list. */
  release(row: number): number
  /** Puts a row in front of another list. Returns the one that followed it in its own. */
  relink(row: number, head: number): number
}

/** Why a snapshot cannot be read any more. */
export type SnapshotEnd = "closed" | "memory" | "rebuilt"

/** An LSN that is read at. Those who read at the same one share it. */
export class OpenSnapshot {
  readonly lsn: number
  // Changed only by the retention.
  references = 1
  ended: SnapshotEnd | undefined
  previous: OpenSnapshot | undefined
  next: OpenSnapshot | undefined
  /** By table: the first row of the list of versions that ended while this snapshot was the newest. */
  readonly versions: Map<VersionRows, number> = new Map()
  /** Tables that changed while this snapshot was the newest, and how many records each had before. */
  readonly counts: Map<VersionRows, number> = new Map()

  constructor(lsn: number, previous: OpenSnapshot | undefined) {
    this.lsn = lsn
    this.previous = previous
  }

  noteChange(table: VersionRows, count: number): void {
    if (!this.counts.has(table)) this.counts.set(table, count)
  }
}

interface Purge {
  readonly table: VersionRows
  row: number
  readonly snapshot: OpenSnapshot
}

export class Retention {
  /** Bytes of all versions, with what finds them. Changed by the tables. */
  bytes = 0
  bytesMax: number
  /** The newest snapshot that is open. */
  newest: OpenSnapshot | undefined
  /** Snapshots that were ended to keep the bound. */
  expiredCount = 0
  #oldest: OpenSnapshot | undefined
  readonly #purges: Purge[] = []
  #purgeHead = 0

  constructor(bytesMax: number) {
    this.bytesMax = bytesMax
  }

  get oldest(): OpenSnapshot | undefined {
    return this.#oldest
  }

  /** Whether versions wait for their release. */
  get hasPurges(): boolean {
    return this.#purgeHead < this.#purges.length
  }

  /** Requires: all changes up to the LSN were applied, and none behind it. */
  open(lsn: number): OpenSnapshot {
    const newest = this.newest
    if (newest !== undefined && newest.lsn === lsn) {
      newest.references++
      return newest
    }
    const snapshot = new OpenSnapshot(lsn, newest)
    if (newest === undefined) this.#oldest = snapshot
    else newest.next = snapshot
    this.newest = snapshot
    return snapshot
  }

  /** One reader less. Without effect on a snapshot that was ended. */
  close(snapshot: OpenSnapshot): void {
    if (snapshot.ended !== undefined) return
    snapshot.references--
    if (snapshot.references === 0) this.#end(snapshot, "closed")
  }

  /** Ends every snapshot: what they would read is not there any more. */
  endAll(reason: SnapshotEnd): void {
    while (this.newest !== undefined) this.#end(this.newest, reason)
  }

  /** Whether the table was changed behind an open snapshot. */
  hasChanged(table: VersionRows, since: OpenSnapshot): boolean {
    for (let at: OpenSnapshot | undefined = since; at !== undefined; at = at.next) if (at.counts.has(table)) return true
    return false
  }

  /** How many records the table, which has `count` now, had at an open snapshot. */
  countAt(table: VersionRows, count: number, snapshot: OpenSnapshot): number {
    for (let at: OpenSnapshot | undefined = snapshot; at !== undefined; at = at.next) {
      const before = at.counts.get(table)
      if (before !== undefined) return before
    }
    return count
  }

  /** Looks at no more than so many versions that may be released. Returns whether there are more. */
  purgeStep(rowCountMax: number): boolean {
    let left = rowCountMax
    while (left > 0) {
      const purge = this.#purges[this.#purgeHead]
      if (purge === undefined) return false
      const { table } = purge
      const before = openBefore(purge.snapshot)
      for (; left > 0 && purge.row >= 0; left--) {
        const { row } = purge
        if (before !== undefined && table.startOf(row) <= before.lsn) {
          purge.row = table.relink(row, before.versions.get(table) ?? -1)
          before.versions.set(table, row)
        } else purge.row = table.release(row)
      }
      if (purge.row >= 0) return true
      this.#purgeHead++
      if (this.#purgeHead === this.#purges.length || this.#purgeHead > 1024) {
        this.#purges.splice(0, this.#purgeHead)
        this.#purgeHead = 0
      }
    }
    return this.hasPurges
  }

  /** Behind a run of changes: sees to the bound. */
  enforce(): void {
    // Nobody else may come to release what an ended snapshot has left.
    if (this.hasPurges) this.purgeStep(STEP_ROWS)
    for (let rows = 0; this.bytes > this.bytesMax && rows < ENFORCED_ROWS; rows += STEP_ROWS) {
      if (this.hasPurges) this.purgeStep(STEP_ROWS)
      else if (this.#oldest === undefined) return
      else {
        this.expiredCount += this.#oldest.references
        this.#end(this.#oldest, "memory")
      }
    }
  }

  #end(snapshot: OpenSnapshot, reason: SnapshotEnd): void {
    const { previous, next } = snapshot
    snapshot.ended = reason
    if (previous === undefined) this.#oldest = next
    else previous.next = next
    if (next === undefined) this.newest = previous
    else next.previous = previous
    if (previous !== undefined) for (const [table, count] of snapshot.counts) previous.noteChange(table, count)
    for (const [table, row] of snapshot.versions) this.#purges.push({ table, row, snapshot })
    snapshot.counts.clear()
    snapshot.versions.clear()
  }
}

/** The newest open snapshot of those before one that has ended. */
function openBefore(snapshot: OpenSnapshot): OpenSnapshot | undefined {
  let before = snapshot.previous
  while (before?.ended !== undefined) before = before.previous
  snapshot.previous = before
  return before
}
