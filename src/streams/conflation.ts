// What waits for a slow subscriber that wants the latest of each key and no more: commits, merged into one. It is as if
// they had been one transaction, so the state behind it is right, and whole commits go in or none.
//
// Guarantees: memory within a bound, because the changes are taken out of the frames that they came in.

import type { Change, Commit } from "../model/change.ts"
import { LSN_NONE } from "../model/lsn.ts"
import type { Lsn } from "../model/lsn.ts"
import type { Cursors } from "./cursor.ts"
import { FeedChange } from "./feed-change.ts"
import { mergedCommit } from "./feed-commit.ts"

/** About what a key takes here beside its record. */
const ENTRY_OVERHEAD = 200

export class Conflation {
  size = 0
  lsn: Lsn = LSN_NONE
  #timeMs = 0
  #commitCount = 0
  readonly #latest: Map<string, Change> = new Map()

  get isEmpty(): boolean {
    return this.#commitCount === 0
  }
  get commitCount(): number {
    return this.#commitCount
  }
  get timeMs(): number {
    return this.#timeMs
  }

  /** Merges a commit that follows the others. */
  add(commit: Commit): void {
    // The time of the oldest one: it is that one which waits.
    if (this.#commitCount === 0) this.#timeMs = commit.timeMs
    this.lsn = commit.lsn
    this.#commitCount += commit.merged ?? 1
    for (const change of commit.changes) {
      const id = idOf(change)
      const older = this.#latest.get(id)
      if (older !== undefined) {
        this.size -= sizeOf(older)
        // The order is that of the last changes.
        this.#latest.delete(id)
      }
      const own = change instanceof FeedChange ? change.detached() : change
      this.size += sizeOf(own)
      this.#latest.set(id, own)
    }
  }

  take(cursors: Cursors): Commit {
    const commit = mergedCommit(this.lsn, this.#timeMs, [...this.#latest.values()], cursors, this.#commitCount)
    this.clear()
    return commit
  }

  clear(): void {
    this.#latest.clear()
    this.#commitCount = 0
    this.size = 0
  }
}

/** A text for a key of a table that no other has. */
export function idOf({ table, key }: { readonly table: string; readonly key: string }): string {
  return `${table.length}:${table}${key}`
}

function sizeOf(change: Change): number {
  return ENTRY_OVERHEAD + (change instanceof FeedChange ? change.recordSize : 0)
}
