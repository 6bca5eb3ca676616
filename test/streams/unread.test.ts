// Five million changes pass subscribers who never read. The log is left out: what is not read is never looked up there, so
// that one frame, published again and again under other LSNs, does for all of them.

import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import { expect, test } from "vitest"
import { FRAME_HEADER_SIZE } from "../../src/format/frame.ts"
import { RecordWriter } from "../../src/format/record-writer.ts"
import { allocateRecordBuffer } from "../../src/format/record.ts"
import { ValueEncoder } from "../../src/format/value-encoder.ts"
import { InvariantViolation } from "../../src/model/invariant.ts"
import { lsnOf } from "../../src/model/lsn.ts"
import { ChangeFeed } from "../../src/streams/change-feed.ts"
import { Catalogue } from "../../src/table/catalogue.ts"
import { quiet } from "./feed-scene.ts"

const FRAME_COUNT = 5_000
const COMMIT_COUNT = 1_000
const KEY_COUNT = 50
const BUFFER_BYTES = 100_000

/** Bytes in use when everything that can be collected was. */
function bytesInUse(): number {
  setFlagsFromString("--expose-gc")
  const collect = runInNewContext("gc") as () => void
  collect()
  collect()
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  return heapUsed + arrayBuffers
}

test("memory stays flat while five million changes pass those who never read", async () => {
  const catalogue = new Catalogue()
  const writer = new RecordWriter({ low: 1, high: 2 }, new ValueEncoder(catalogue.shapes))
  const buffer = allocateRecordBuffer(256 * 1024)
  catalogue.define(1, "t")
  let end = FRAME_HEADER_SIZE
  for (let n = 0; n < COMMIT_COUNT; n++) end = writer.put(buffer, end, 0, 1, `k${n % KEY_COUNT}`, n)
  const feed = new ChangeFeed({ catalogue })
  feed.connect({
    durableLsn: lsnOf(0),
    oldestLsn: lsnOf(1),
    read: () => {
      throw new InvariantViolation("nobody reads")
    },
  })
  const bounds = { bufferBytes: BUFFER_BYTES, bufferCommits: 100 }
  const streams = (["catch-up", "latest-per-key"] as const).map((overflow) => feed.subscribe({ ...bounds, overflow }))
  const first = streams.map((stream) => stream[Symbol.asyncIterator]().next())
  await quiet(feed)
  let lsn = 0
  let mostBytes = 0
  const publish = (): void => {
    const firstLsn = lsnOf(lsn + 1)
    lsn += COMMIT_COUNT
    const place = { firstLsn, lastLsn: lsnOf(lsn), epoch: 1, timeMs: lsn }
    feed.publish({ ...place, recordCount: COMMIT_COUNT, buffer, start: FRAME_HEADER_SIZE, end })
    for (const { bufferedBytes } of feed.subscriptions(0)) mostBytes = Math.max(mostBytes, bufferedBytes)
  }
  for (let frame = 0; frame < 50; frame++) publish()
  const before = bytesInUse()
  for (let frame = 50; frame < FRAME_COUNT; frame++) publish()
  expect(bytesInUse() - before).toBeLessThan(4 * 1024 * 1024)
  expect(lsn).toBe(5_000_000)
  // The frame that was taken last counts on top.
  expect(mostBytes).toBeLessThan(2 * BUFFER_BYTES)
  expect(feed.subscriptions(0).map(({ bufferedCommits }) => bufferedCommits)).toEqual([0, lsn - 1])
  expect((await Promise.all(first)).map(({ value }) => value?.lsn)).toEqual([1, 1])
  const [, latest] = streams
  const { value } = (await latest?.[Symbol.asyncIterator]().next()) ?? {}
  expect(value).toMatchObject({ lsn, merged: lsn - 1 })
  const expected = Array.from({ length: KEY_COUNT }, (_, n) => [`k${n}`, COMMIT_COUNT - KEY_COUNT + n])
  expect(value?.changes.map((change) => [change.key, change.value])).toEqual(expected)
  for (const stream of streams) stream.close()
})
