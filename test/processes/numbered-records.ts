// Looks at what a killed kill-9-writer.ts has left.

import { expect } from "vitest"
import { open } from "../../src/index.ts"

export interface Found {
  /** The first number that is not there: the next writer begins with it. */
  readonly end: number
  readonly cutBytes: number
}

/**
 * Opens the store, and expects everything that was acknowledged; and of the last writer, whose numbers begin at `start`, the
 * records up to one, none after it, and every batch whole: a prefix of the log.
 */
export async function expectPrefix(directory: string, acknowledged: readonly unknown[], start: number): Promise<Found> {
  await using store = await open(directory, { segmentBytes: 64 * 1024, shards: 2 })
  const table = store.table<{ n: number; pad: string }>("numbers")
  expect(acknowledged.filter((n) => table.get(String(n))?.n !== n)).toEqual([])
  let end = start
  while (table.has(String(end))) end++
  expect([...table.keys()].filter((key) => Number(key) >= end)).toEqual([])
  const pairs = store.table<number>("pairs")
  const halves: number[] = []
  for (let n = Math.ceil(start / 10) * 10; n < end; n += 10) {
    if (pairs.get(`${n}/left`) !== n || pairs.get(`${n}/right`) !== n) halves.push(n)
  }
  expect(halves, "batches of which a part is there").toEqual([])
  return { end, cutBytes: store.recovery.cutBytes }
}
