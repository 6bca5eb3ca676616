// How live queries over parts of indexes get their first rows: from the index instead of a walk over the table, as of their
// snapshot. The index is that of the present: what was changed since the snapshot is among the versions that the table keeps
// for it, so that each row is met in the one or among the others. Where the index is being built, the table is walked.

import { probe } from "../model/invariant.ts"
import { PartRoutes } from "../streams/part-routes.ts"
import type { PartRoute } from "../streams/part-routes.ts"
import type { TableEntry } from "../table/catalogue.ts"
import { boundsOfPart, followedBy } from "./followed-index.ts"
import type { FollowedIndex } from "./followed-index.ts"
import type { LiveReading, Wish } from "./live-reading.ts"

/** What a query was doing when it failed. */
export const READING = "it read its tables"

/**
 * Loads what they want of the table. False where the start means nothing any more.
 * Fails with: SnapshotExpired, IndexBuilding, Restarting, StoreClosed.
 */
export async function loadParts(reading: LiveReading, entry: TableEntry, wishes: readonly Wish[]): Promise<boolean> {
  const { versions, view } = reading
  for (const [index, parts] of partsByIndex(wishes)) {
    const found: PartRoute<Wish>[] = []
    const take = (key: string, value: unknown): void => {
      let count = 0
      try {
        count = parts.match(index.keysOf(key, value), found)
      } catch (cause) {
        // Nobody else's business than of those who are over this index.
        for (const { targets } of parts.values()) for (const { node } of targets.values()) node.fail(READING, cause)
      }
      for (let at = 0; at < count; at++) reading.give(entry, key, (found[at] as PartRoute<Wish>).targets.values())
    }
    if (!index.present.isReady) {
      probe("a live query reads its table because its index is being built")
      for (const key of versions.keys(entry, view)) {
        if (reading.isSliceOver && !(await reading.rest())) return false
        take(key, versions.get(entry, key, view))
      }
      continue
    }
    for (const part of parts.values()) {
      const walk = index.present.walk(boundsOfPart(part.part))
      while (!isForgotten(part) && walk.next()) {
        reading.give(entry, walk.recordKey(), part.targets.values())
        if (reading.isSliceOver && !(await reading.rest())) return false
      }
    }
    // On one turn, as it has to be. What the index had met before is only loaded again.
    for (const [key, value] of versions.changedSince(entry, view)) take(key, value)
  }
  return true
}

function isForgotten({ targets }: PartRoute<Wish>): boolean {
  for (const { node } of targets.values()) if (!node.isOver) return false
  return true
}

function partsByIndex(wishes: readonly Wish[]): Map<FollowedIndex, PartRoutes<Wish>> {
  const indexes = new Map<FollowedIndex, PartRoutes<Wish>>()
  for (const wish of wishes) {
    const { part } = wish.wanted
    if (part === undefined) continue
    const index = followedBy(part)
    let parts = indexes.get(index)
    if (parts === undefined) indexes.set(index, (parts = new PartRoutes()))
    parts.add(part, wish.wanted, wish)
  }
  return indexes
}
