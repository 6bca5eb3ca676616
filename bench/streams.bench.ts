// What the change feed costs: publishing a record with nobody, one, or many listening, with each change read or left
// alone, against a filter in every subscriber. Frames of 1,000 puts, as a busy writer makes them; no disk. Standalone:
// `node bench/streams.bench.ts`. Every frame is timed; figures are nanoseconds a record: the fastest frame in a hundred,
// the one in five, and the median. On a machine that has other work the first says what the code costs.

import { cpus, loadavg } from "node:os"
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
const WARM_FRAMES = 500
const TIMED_FRAMES = 3_000

type Draft = Omit<LogFrame, "firstLsn" | "lastLsn">

/** Puts of "user:<group>:<n>", the groups in turn, one commit each. */
function makeFrame(catalogue: Catalogue, groupCount: number): Draft {
  const writer = new RecordWriter({ low: 1, high: 2 }, new ValueEncoder(catalogue.shapes))
  const buffer = allocateRecordBuffer(1024 * 1024)
  if (catalogue.entry("users").id === 0) catalogue.define(1, "users")
  let at = FRAME_HEADER_SIZE
  for (let index = 0; index < RECORDS_A_FRAME; index++) {
    const key = `user:${index % groupCount}:${index}`
    const value = {
      id: index,
      name: `User ${index}`,
      city: "London",
      email: `user${index}@example.org`,
      age: index % 90,
      active: true,
    }
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

function readKeys(commit: Commit): void {
  for (const change of commit.changes) seen += change.kind === "put" && change.key.length > 0 ? 1 : 0
}

function readAll(commit: Commit): void {
  for (const change of commit.changes) seen += change.value !== undefined && change.key.length > 0 ? 1 : 0
}

type Turn = () => Promise<void>

async function nextTurn(): Promise<void> {
  await new Promise<void>((resolve) => {
    setImmediate(resolve)
  })
}

/** Times `publish`, and `consume` unless it is done outside of the time. Checks that so many changes arrived a frame. */
async function measure(name: string, expected: number, publish: () => void, consume?: Turn): Promise<number> {
  const times: number[] = []
  for (let frame = -WARM_FRAMES; frame < TIMED_FRAMES; frame++) {
    const seenBefore = seen
    const start = process.hrtime.bigint()
    publish()
    if (consume !== undefined) await consume()
    if (frame >= 0) times.push(Number(process.hrtime.bigint() - start) / RECORDS_A_FRAME)
    // Lets consumers have what they were not timed for, and collectors of memory work.
    if (consume === undefined && (frame & 7) === 0) await nextTurn()
    if (consume !== undefined && seen - seenBefore !== expected) {
      throw new Error(`${name}: ${seen - seenBefore} changes arrived instead of ${expected}`)
    }
  }
  times.sort((left, right) => left - right)
  const at = (share: number): number => times[Math.floor(times.length * share)] ?? 0
  const figures = [at(0.01), at(0.2), at(0.5)].map((time) => time.toFixed(1).padStart(8)).join("")
  const total = `${(1_000 / at(0.2)).toFixed(2).padStart(8)} M records/s`
  console.log(`${name.padEnd(66)}${figures}   ${total}`)
  return at(0.2)
}

/** Observers, each with its options; `share` of the changes of a frame arrive, counted over all. */
async function observed(
  name: string,
  groupCount: number,
  options: readonly ChangesOptions[],
  share: number,
  take: (commit: Commit) => void = look,
): Promise<number> {
  const bench = new Bench(groupCount)
  for (const option of options) bench.feed.subscribe(option).observable().subscribe(take)
  const time = await measure(
    name,
    RECORDS_A_FRAME * share,
    () => bench.publish(),
    async () => undefined,
  )
  bench.feed.end()
  return time
}

/** Iterations. `isConsumed`: the time that they take to get everything counts as well. */
async function iterated(
  name: string,
  groupCount: number,
  options: readonly ChangesOptions[],
  isConsumed: boolean,
  isBatched: boolean = false,
): Promise<number> {
  const bench = new Bench(groupCount)
  const loops = options.map(async (option) => {
    const stream = bench.feed.subscribe({ bufferCommits: 16 * RECORDS_A_FRAME, ...option })
    if (isBatched) for await (const commits of stream.batches()) commits.forEach(readKeys)
    else for await (const commit of stream) readKeys(commit)
  })
  const time = await measure(name, RECORDS_A_FRAME, () => bench.publish(), isConsumed ? nextTurn : undefined)
  if (bench.feed.metrics().overflows > 0) throw new Error(`${name}: an iteration fell behind`)
  bench.feed.end()
  await Promise.all(loops)
  return time
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
  const publish = (): void => {
    for (const change of changes) subject.next(change)
  }
  return measure(name, RECORDS_A_FRAME, publish, async () => undefined)
}

function prefixes(count: number): ChangesOptions[] {
  return Array.from({ length: count }, (_, index) => ({ table: "users", prefix: `user:${index}:` }))
}

function everything(count: number): ChangesOptions[] {
  return Array.from({ length: count }, () => ({}))
}

const sample = makeFrame(new Catalogue(), 100)
const recordBytes = ((sample.end - sample.start) / RECORDS_A_FRAME).toFixed(0)
console.log(`Node ${process.version}, ${cpus()[0]?.model ?? "?"} x ${cpus().length}, load ${loadavg()[0]?.toFixed(1)}`)
console.log(`records of ${recordBytes} bytes, ${RECORDS_A_FRAME} a frame; ns a record: p1, p20, p50`)
await observed("nobody", 100, [], 0)
await iterated("1 iteration over everything, publishing alone", 100, everything(1), false)
await iterated("1 iteration over everything, for await, kinds and keys read", 100, everything(1), true)
await iterated("the same by batches", 100, everything(1), true, true)
await observed("1 observer of everything, changes not read", 100, everything(1), 1)
await observed("1 observer of everything, kinds and keys read", 100, everything(1), 1, readKeys)
await observed("1 observer of everything, keys and values read", 100, everything(1), 1, readAll)
await observed("10 observers of everything", 100, everything(10), 10)
await observed("100 observers of everything", 100, everything(100), 100)
await observed("1 observer of a prefix that 1 change in 100 has", 100, prefixes(1), 0.01)
await observed("10 observers of prefixes, each change has one of them", 10, prefixes(10), 1)
const routed = await observed("100 observers of prefixes, each change has one of them", 100, prefixes(100), 1)
await observed("the same, kinds and keys read", 100, prefixes(100), 1, readKeys)
await observed("1,000 observers of prefixes, each change has one of them", 1_000, prefixes(1_000), 1)
await iterated("100 iterations over prefixes, publishing alone", 100, prefixes(100), false)
const naive = await filtered("100 observers, each with a filter of its own (RxJS Subject)", 100)
console.log(`routed once against filtered by each: ${(naive / routed).toFixed(1)} times as fast`)
