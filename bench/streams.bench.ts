// What the change feed costs: publishing a record with nobody, one, or many listening, with each change read or left
// alone, against a filter in every subscriber. Frames of 1,000 puts of about 120 bytes, as a busy writer makes them; no
// disk. Standalone: `node bench/streams.bench.ts`. Figures are nanoseconds a record: median of the rounds, with the
// fastest and the slowest.

import { cpus } from "node:os"
import { Subject } from "rxjs"
import { filter } from "rxjs/operators"
import { FRAME_HEADER_SIZE } from "../src/format/frame.ts"
import type { LogFrame } from "../src/format/log-frame.ts"
import { RecordWriter } from "../src/format/record-writer.ts"
import { allocateRecordBuffer } from "../src/format/record.ts"
import { ValueEncoder } from "../src/format/value-encoder.ts"
import type { Change, Commit } from "../src/model/change.ts"
import { lsnOf } from "../src/model/lsn.ts"
import { ChangeFeed } from "../src/streams/change-feed.ts"
import type { ChangesOptions, FeedSource } from "../src/streams/change-feed.ts"
import { Catalogue } from "../src/table/catalogue.ts"

const RECORDS_A_FRAME = 1_000
const ROUND_COUNT = 15
const FRAMES_A_ROUND = 100

type Draft = Omit<LogFrame, "firstLsn" | "lastLsn">

/** Puts of "user:<group>:<n>", the groups in turn, one commit each. */
function makeFrame(catalogue: Catalogue, groupCount: number): Draft {
  const writer = new RecordWriter({ low: 1, high: 2 }, new ValueEncoder(catalogue.shapes))
  const buffer = allocateRecordBuffer(1024 * 1024)
  if (catalogue.entry("users").id === 0) catalogue.define(1, "users")
  let at = FRAME_HEADER_SIZE
  for (let index = 0; index < RECORDS_A_FRAME; index++) {
    const key = `user:${index % groupCount}:${index}`
    const value = { id: index, name: `User ${index}`, city: "London", email: `user${index}@example.org`, age: index % 90, active: true }
    at = writer.put(buffer, at, 0, 1, key, value)
    catalogue.shapes.takePending()
  }
  return { timeMs: 0, epoch: 1, recordCount: RECORDS_A_FRAME, buffer, start: FRAME_HEADER_SIZE, end: at }
}

class Bench {
  readonly catalogue: Catalogue = new Catalogue()
  readonly feed: ChangeFeed = new ChangeFeed({ catalogue: this.catalogue })
  readonly draft: Draft
  lsn = 0

  constructor(groupCount: number) {
    this.draft = makeFrame(this.catalogue, groupCount)
    const source: FeedSource = {
      durableLsn: lsnOf(0),
      oldestLsn: lsnOf(1),
      read: () => {
        throw new Error("nobody falls behind in this benchmark")
      },
    }
    this.feed.connect(source)
  }

  publish(): void {
    const firstLsn = lsnOf(this.lsn + 1)
    this.lsn += RECORDS_A_FRAME
    this.feed.publish({ ...this.draft, firstLsn, lastLsn: lsnOf(this.lsn) })
  }
}

let seen = 0

function look(commit: Commit): void {
  for (const change of commit.changes) seen += change.lsn > 0 ? 1 : 0
}

function readAll(commit: Commit): void {
  for (const change of commit.changes) seen += change.value !== undefined && change.key.length > 0 ? 1 : 0
}

async function measure(name: string, expected: number, round: () => Promise<void> | void): Promise<number> {
  for (let warm = 0; warm < 5; warm++) await round()
  const times: number[] = []
  for (let index = 0; index < ROUND_COUNT; index++) {
    seen = 0
    const start = process.hrtime.bigint()
    await round()
    times.push(Number(process.hrtime.bigint() - start) / (FRAMES_A_ROUND * RECORDS_A_FRAME))
    if (seen !== expected) throw new Error(`${name}: ${seen} changes arrived instead of ${expected}`)
    await new Promise<void>((resolve) => {
      setImmediate(resolve)
    })
  }
  times.sort((left, right) => left - right)
  const median = times[ROUND_COUNT >> 1] ?? 0
  const figures = [median, times[0] ?? 0, times[ROUND_COUNT - 1] ?? 0].map((time) => time.toFixed(1).padStart(8))
  console.log(`${name.padEnd(62)} ${figures.join("")}   ${(1_000 / median).toFixed(2).padStart(8)} M records/s`)
  return median
}

/** Observers, each with its options; all changes of a round arrive `times` times. */
async function observed(
  name: string,
  groupCount: number,
  options: readonly ChangesOptions[],
  times: number,
  take = look,
): Promise<number> {
  const bench = new Bench(groupCount)
  for (const option of options) bench.feed.subscribe(option).observable().subscribe(take)
  const median = await measure(name, FRAMES_A_ROUND * RECORDS_A_FRAME * times, () => {
    for (let frame = 0; frame < FRAMES_A_ROUND; frame++) bench.publish()
  })
  bench.feed.end()
  return median
}

/** Iterations; the turn after each frame is theirs. */
async function iterated(name: string, groupCount: number, options: readonly ChangesOptions[], times: number): Promise<number> {
  const bench = new Bench(groupCount)
  const loops = options.map(async (option) => {
    for await (const commit of bench.feed.subscribe({ bufferCommits: 4 * RECORDS_A_FRAME, ...option })) look(commit)
  })
  const median = await measure(name, FRAMES_A_ROUND * RECORDS_A_FRAME * times, async () => {
    for (let frame = 0; frame < FRAMES_A_ROUND; frame++) {
      bench.publish()
      await new Promise<void>((resolve) => {
        setImmediate(resolve)
      })
    }
  })
  bench.feed.end()
  await Promise.all(loops)
  return median
}

/** The other way: everybody gets every change as an object, and filters. */
async function filtered(name: string, count: number): Promise<number> {
  const subject = new Subject<Change>()
  const changes: Change[] = []
  for (let index = 0; index < RECORDS_A_FRAME; index++) {
    const key = `user:${index % count}:${index}`
    changes.push({ kind: "put", table: "users", key, value: undefined, lsn: lsnOf(index + 1) })
  }
  for (let index = 0; index < count; index++) {
    const prefix = `user:${index}:`
    const mine = subject.pipe(filter((change) => change.table === "users" && change.key.startsWith(prefix)))
    mine.subscribe(({ lsn }) => {
      seen += lsn > 0 ? 1 : 0
    })
  }
  return measure(name, FRAMES_A_ROUND * RECORDS_A_FRAME, () => {
    for (let frame = 0; frame < FRAMES_A_ROUND; frame++) for (const change of changes) subject.next(change)
  })
}

function prefixes(count: number): ChangesOptions[] {
  return Array.from({ length: count }, (_, index) => ({ table: "users", prefix: `user:${index}:` }))
}

const size = makeFrame(new Catalogue(), 100)
console.log(`Node ${process.version}, ${cpus()[0]?.model ?? "?"} x ${cpus().length}`)
console.log(`records of ${((size.end - size.start) / RECORDS_A_FRAME).toFixed(0)} bytes, ${RECORDS_A_FRAME} a frame; ns a record: median, min, max`)
await observed("nobody", 100, [], 0)
await observed("1 observer of everything, changes not read", 100, [{}], 1)
await observed("1 observer of everything, keys and values read", 100, [{}], 1, readAll)
await iterated("1 iteration over everything, changes not read", 100, [{}], 1)
await observed("10 observers of everything", 100, Array.from({ length: 10 }, () => ({})), 10)
await observed("100 observers of everything", 100, Array.from({ length: 100 }, () => ({})), 100)
await observed("1 observer of a prefix, which 1 in 100 changes has", 100, prefixes(1), 0.01)
await observed("10 observers of prefixes, each change has one of them", 10, prefixes(10), 1)
const routed = await observed("100 observers of prefixes, each change has one of them", 100, prefixes(100), 1)
await observed("1,000 observers of prefixes, each change has one of them", 1_000, prefixes(1_000), 1)
await iterated("100 iterations over prefixes, each change has one of them", 100, prefixes(100), 1)
const naive = await filtered("100 observers, each with a filter of its own (RxJS Subject)", 100)
console.log(`routed once instead of filtered by each: ${(naive / routed).toFixed(1)} times as fast`)
