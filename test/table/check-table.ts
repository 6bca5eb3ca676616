// Checks a whole table against the rules of its parts: every entry is where a search finds it, every record in a slot
// has exactly one entry, and the sums that metrics report are the sums of what is there.

import { expect } from "vitest"
import { allocateRecordBuffer, recordSize } from "../../src/format/record.ts"
import type { RecordBuffer } from "../../src/format/record.ts"
import { ENTRIES, homeOf, mixHash } from "../../src/table/index-segment.ts"
import { addressOf, isFreeSlot, wordOf } from "../../src/table/slabs.ts"
import type { Table } from "../../src/table/table.ts"

/** The address of the record with this key, or -1. */
export function findKey(table: Table, hash: number, key: string | Uint8Array): number {
  const bytes = Buffer.from(key)
  const { words } = allocated(bytes)
  return table.find(hash, words, 0, bytes.length)
}

/** The bytes as the beginning of a record buffer. What stands behind them is no zeros: nothing may depend on it. */
function allocated(bytes: Uint8Array): RecordBuffer {
  const buffer = allocateRecordBuffer(bytes.length + 8)
  buffer.bytes.fill(0xee)
  buffer.bytes.set(bytes)
  return buffer
}

export function checkTable(table: Table): void {
  const addresses = checkIndex(table)
  checkSlabs(table, addresses)
}

/** Returns the address of every entry, with its mixed hash. */
function checkIndex(table: Table): Map<number, number> {
  const { directory, depths, shift, count, segmentCount, slotCount } = table.index
  const addresses = new Map<number, number>()
  let slots = 0
  let segments = 0
  let greatest = -1
  expect(directory.length).toBe(2 ** (31 - shift))
  for (let position = 0; position < directory.length;) {
    const segment = directory[position]
    const depth = depths[position]
    if (segment === undefined || depth === undefined) throw new Error("the directory has a hole")
    const span = directory.length >>> depth
    for (let i = 0; i < span; i++) {
      if (directory[position + i] !== segment || depths[position + i] !== depth)
        throw new Error(`position ${position + i} of the directory differs from ${position}`)
    }
    let entries = 0
    let run = ENTRIES
    for (let word = ENTRIES; word < segment.length; word += 2) {
      const entry = segment[word + 1] ?? 0
      const mixed = segment[word] ?? 0
      if (entry === 0) {
        run = word + 2
        continue
      }
      entries++
      const home = homeOf(segment, depth, mixed)
      if (mixed < greatest) throw new Error("the entries are not sorted")
      if (table.index.positionOf(mixed) < position || table.index.positionOf(mixed) >= position + span)
        throw new Error("an entry is in the wrong segment")
      if (home < run || home > word) throw new Error("a search does not reach an entry")
      greatest = mixed
      if (addresses.has(entry - 1)) throw new Error("two entries share an address")
      addresses.set(entry - 1, mixed)
    }
    expect(segment[segment.length - 1]).toBe(0)
    expect(segment[0]).toBe(entries)
    expect(segment[1]).toBe(depth)
    slots += (segment.length - ENTRIES) / 2
    segments++
    position += span
  }
  expect(addresses.size).toBe(count)
  expect(segments).toBe(segmentCount)
  expect(slots).toBe(slotCount)
  return addresses
}

function checkSlabs(table: Table, addresses: ReadonlyMap<number, number>): void {
  const { slabs } = table
  const metrics = table.metrics()
  let liveCount = 0
  let liveBytes = 0
  let carvedBytes = 0
  let allocatedBytes = 0
  let chunks = 0
  for (let chunk = 0; chunk < slabs.chunkLimit; chunk++) {
    const words = slabs.chunkWords[chunk]
    const bytes = slabs.chunkBytes[chunk]
    if (words === undefined || bytes === undefined || bytes.length === 0) continue
    chunks++
    const isPacked = slabs.isPacked(chunk)
    const size = slabs.sizeOf(chunk)
    allocatedBytes += size
    if (isPacked) carvedBytes += size
    else expect(bytes.length).toBe(size)
    let live = 0
    for (let unit = 0; unit < slabs.carvedUnits(chunk);) {
      const address = addressOf(chunk, unit)
      const at = wordOf(address)
      const isFree = isFreeSlot(words, address)
      const recordBytes = isFree ? (words[at] ?? 0) : recordSize((words[at + 2] ?? 0) & 0xffff, words[at + 1] ?? 0)
      const slotSize = isPacked ? recordBytes : slabs.slotSizeIn(chunk)
      unit += slotSize / 8
      if (!isPacked) carvedBytes += slotSize
      // In packed memory there are other tables' records as well.
      if (isFree || (isPacked && !addresses.has(address))) continue
      live++
      if (recordBytes > slotSize) throw new Error("a record is larger than its slot")
      if (addresses.get(address) !== mixHash(words[at] ?? 0)) throw new Error("a record has no entry of its hash")
      liveBytes += recordBytes
    }
    expect(slabs.liveCount(chunk)).toBe(live)
    liveCount += live
  }
  expect(liveCount).toBe(table.count)
  expect(metrics).toMatchObject({
    count: liveCount,
    liveBytes,
    deadBytes: carvedBytes - liveBytes,
    allocatedBytes,
    chunks,
    segments: table.index.segmentCount,
  })
}
