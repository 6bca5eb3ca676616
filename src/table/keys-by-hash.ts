// The keys of a table that have a given hash: for those who kept the hash of a key and not the key.

import { homeOf, mixHash } from "./index-segment.ts"
import type { Table } from "./table.ts"

/** In no order; nearly always one or none. */
export function keysWithHash(table: Table, hash: number): string[] {
  const { index } = table
  const mixed = mixHash(hash)
  index.ensure(mixed)
  const position = index.positionOf(mixed)
  const segment = index.directory[position] as Uint32Array
  const keys: string[] = []
  for (let word = homeOf(segment, index.depths[position] as number, mixed); word < segment.length; word += 2) {
    const entry = segment[word + 1] as number
    const found = segment[word] as number
    if (entry === 0 || found > mixed) break
    if (found < mixed) continue
    const address = entry - 1
    keys.push(table.bytesAt(address).toString("utf8", table.keyStart(address), table.keyEnd(address)))
  }
  return keys
}
