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

  /** Merges commits that follow the others. Of their records only the last of each key is taken out of its frame. */
  add(commits: readonly Commit[]): void {
    for (const { lsn, merged = 1, timeMs } of commits) {
      // The time of the oldest one: it is that one which waits.
      if (this.#commitCount === 0) this.#timeMs = timeMs
      this.lsn = lsn
      this.#commitCount += merged
    }
    const last = lastChanges(commits)
    for (let change = last.pop(); change !== undefined; change = last.pop()) this.#set(change)
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

  #set(change: Change): void {
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

/** The last change of each key, the latest one first. */
function lastChanges(commits: readonly Commit[]): Change[] {
  const found: Change[] = []
  const seen = new Map<string, Set<string>>()
  for (const { changes } of commits.toReversed()) {
    for (let index = changes.length - 1; index >= 0; index--) {
      const change = changes[index] as Change
      let keys = seen.get(change.table)
      if (keys === undefined) seen.set(change.table, (keys = new Set()))
      if (keys.has(change.key)) continue
      keys.add(change.key)
      found.push(change)
    }
  }
  return found
}

/** A text for a key of a table that no other has. */
export function idOf({ table, key }: { readonly table: string; readonly key: string }): string {
  return `${table.length}:${table}${key}`
}

function sizeOf(change: Change): number {
  return ENTRY_OVERHEAD + (change instanceof FeedChange ? change.recordSize : 0)
}
