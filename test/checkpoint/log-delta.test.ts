// What a part of the log changes, once it was merged: its memory.

import { expect, test } from "vitest"
import { LogDelta, TableDelta } from "../../src/checkpoint/log-delta.ts"
import { Catalogue } from "../../src/table/catalogue.ts"

test("a delta that is released has given the memory of its tables back, and those of other deltas keep theirs", () => {
  const deltas = [new LogDelta(new Catalogue(), 0), new LogDelta(new Catalogue(), 0)]
  const chunks = deltas.map((delta) => {
    const table = new TableDelta()
    delta.tables.push(undefined, table)
    for (const { slabs } of [table.put.table, table.deleted]) slabs.allocate(100_000)
    return [...table.put.table.slabs.chunkBytes, ...table.deleted.slabs.chunkBytes]
  })
  deltas[0]?.release()
  const sizes = chunks.map((each) => each.map(({ buffer }) => buffer.byteLength > 0))
  expect(sizes).toEqual([
    [false, false],
    [true, true],
  ])
  expect(deltas[0]?.tables).toEqual([])
})
