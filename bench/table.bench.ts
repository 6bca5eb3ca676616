// What a table costs: nanoseconds to apply and to find, bytes a record, the longest single step. Run it with
// `node bench/table.bench.ts [records in millions …]`; the figures in docs/decisions/0004 come from here.
//
// Workload: keys `user:<n>`, values of 54 to 58 bytes, over 8 tables by the hash of the key, as a store of 8 shards has
// them. Keys are made afresh for every access: picking them from a large array would measure cold strings. They are
// read in another order than they were written. Encoding and hashing are not timed. Nothing is durable here.
//
// Times are those of single calls, by the wall clock: on a machine that does other work p20 is what the code costs, and
// the longest says more about the other work.

import { PerformanceObserver } from "node:perf_hooks"
import { hashAsciiKey } from "../src/format/key-hash.ts"
import { allocateRecordBuffer, KIND_DELETE, KIND_PUT, RECORD_HEADER_SIZE, recordSize } from "../src/format/record.ts"
import { shardOf } from "../src/physics/placement.ts"
import { Table } from "../src/table/table.ts"

const TABLE_COUNT = 8
const BATCH_COUNT = 250
const SECRET = { low: 0x12345678, high: 0x9abcdef0 }

const source = allocateRecordBuffer(TABLE_COUNT * BATCH_COUNT * 128)
const offsets = Array.from({ length: TABLE_COUNT }, () => new Uint32Array(BATCH_COUNT))
const lsns = Array.from({ length: TABLE_COUNT }, () => new Float64Array(BATCH_COUNT))
const filled = new Uint32Array(TABLE_COUNT)
let sourceEnd = 0
let lsn = 0
let tables: Table[] = []

/** Nanoseconds an operation, of every timed call. */
interface Timing {
  readonly perOperationNs: number[]
  longestNs: number
}

function timing(): Timing {
  return { perOperationNs: [], longestNs: 0 }
}

function nowNs(): number {
  return Number(process.hrtime.bigint())
}

/** A number from 0 to `count` - 1, each once, in an order that looks random: a walk with a step prime to the count. */
function scattered(position: number, count: number, salt: number): number {
  return Number((BigInt(position) * 2_654_435_761n + BigInt(salt) * 40_503n) % BigInt(count))
}

function write(key: string, kind: number, valueSize: number, into: Timing): void {
  const { bytes, words } = source
  const at = sourceEnd
  const word = at >>> 2
  const size = recordSize(key.length, valueSize)
  words[word + (size >>> 2) - 1] = 0
  const hash = hashAsciiKey(SECRET, key, words, word + (RECORD_HEADER_SIZE >>> 2))
  const shard = shardOf(hash, TABLE_COUNT)
  words[word] = hash
  words[word + 1] = valueSize
  words[word + 2] = key.length | (kind << 16)
  words[word + 3] = 0
  for (let i = 0; i < valueSize; i++) bytes[at + RECORD_HEADER_SIZE + key.length + i] = lsn + i
  sourceEnd = at + size
  const position = filled[shard] as number
  ;(offsets[shard] as Uint32Array)[position] = at
  ;(lsns[shard] as Float64Array)[position] = ++lsn
  filled[shard] = position + 1
  if (position + 1 === BATCH_COUNT) flush(into)
}

function flush(into: Timing): void {
  for (let shard = 0; shard < TABLE_COUNT; shard++) {
    const count = filled[shard] as number
    if (count === 0) continue
    const startNs = nowNs()
    ;(tables[shard] as Table).applyAll(source, offsets[shard] as Uint32Array, lsns[shard] as Float64Array, 0, count)
    const tookNs = nowNs() - startNs
    into.perOperationNs.push(tookNs / count)
    if (tookNs > into.longestNs) into.longestNs = tookNs
    filled[shard] = 0
  }
  sourceEnd = 0
}

function build(count: number, into: Timing): void {
  for (let i = 0; i < count; i++) write(`user:${scattered(i, count, 1)}`, KIND_PUT, 54 + (i % 5), into)
  flush(into)
}

function overwrite(count: number, operations: number, salt: number, into: Timing): void {
  for (let i = 0; i < operations; i++) {
    const n = scattered(i * 7, count, salt)
    write(`user:${n}`, KIND_PUT, 54 + (n % 5), into)
  }
  flush(into)
}

function find(count: number, operations: number, salt: number, into: Timing): number {
  // Eight words a key: as many as the longest key here has.
  const words = new Uint32Array(8 * BATCH_COUNT)
  const sizes = new Uint32Array(BATCH_COUNT)
  const hashes = new Float64Array(BATCH_COUNT)
  let found = 0
  for (let i = 0; i < operations; i += BATCH_COUNT) {
    for (let j = 0; j < BATCH_COUNT; j++) {
      const key = `user:${scattered((i + j) * 3, count, salt)}`
      hashes[j] = hashAsciiKey(SECRET, key, words, 8 * j)
      sizes[j] = key.length
    }
    const startNs = nowNs()
    for (let j = 0; j < BATCH_COUNT; j++) {
      const hash = hashes[j] as number
      const table = tables[shardOf(hash, TABLE_COUNT)] as Table
      if (table.find(hash, words, 8 * j, sizes[j] as number) >= 0) found++
    }
    into.perOperationNs.push((nowNs() - startNs) / BATCH_COUNT)
  }
  return found
}

function print(name: string, { perOperationNs, longestNs }: Timing): void {
  const sorted = perOperationNs.toSorted((a, b) => a - b)
  const at = (share: number): string => (sorted[Math.floor(sorted.length * share)] ?? Number.NaN).toFixed(0).padStart(5)
  const longest = longestNs > 0 ? `, longest batch of ${BATCH_COUNT}: ${(longestNs / 1e6).toFixed(2)} ms` : ""
  console.log(`  ${name.padEnd(18)} p20 ${at(0.2)} ns, p50 ${at(0.5)} ns, p99 ${at(0.99)} ns${longest}`)
}

function sumOf(pick: (table: Table) => number): number {
  return tables.reduce((sum, table) => sum + pick(table), 0)
}

function memory(count: number): string {
  const chunks = sumOf((table) => table.metrics().allocatedBytes) / count
  const index = sumOf((table) => table.metrics().indexBytes) / count
  const live = sumOf((table) => table.metrics().liveBytes) / count
  return `${(chunks + index).toFixed(1)} B a record (records ${live.toFixed(1)}, chunks ${chunks.toFixed(1)}, index ${index.toFixed(1)})`
}

async function measure(count: number): Promise<void> {
  console.log(`${count.toLocaleString("en")} records in ${TABLE_COUNT} tables`)
  tables = Array.from({ length: TABLE_COUNT }, () => new Table())
  let longestGcMs = 0
  let gcCount = 0
  const observer = new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) {
      longestGcMs = Math.max(longestGcMs, entry.duration)
      gcCount++
    }
  })
  observer.observe({ entryTypes: ["gc"] })
  const building = timing()
  build(count, building)
  print("put, building", building)
  for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve))
  console.log(`  longest GC pause while building: ${longestGcMs.toFixed(1)} ms of ${gcCount}`)
  const operations = Math.min(count, 1_000_000)
  for (let round = 0; round < 3; round++) {
    const writing = timing()
    overwrite(count, operations, round + 2, writing)
    print("put, overwriting", writing)
    const reading = timing()
    const found = find(count, operations, round + 11, reading)
    if (found !== operations) throw new Error(`${found} of ${operations} were found`)
    print("find", reading)
  }
  console.log(`  ${memory(count)}`)
  const chunkCount = sumOf((table) => table.metrics().chunks)
  const segmentCount = sumOf((table) => table.metrics().segments)
  const probe = Math.max(...tables.map((table) => table.metrics().longestProbe))
  console.log(`  ${chunkCount} chunks, ${segmentCount} segments, farthest from home ${probe} slots`)
  const deleting = timing()
  for (let i = 0; i < count; i++) if (i % 10 !== 0) write(`user:${scattered(i, count, 5)}`, KIND_DELETE, 0, deleting)
  flush(deleting)
  print("delete 90 %", deleting)
  const rest = sumOf((table) => table.count)
  console.log(`  before compaction: ${memory(rest)}`)
  let totalNs = 0
  let longestNs = 0
  let steps = 0
  for (const table of tables)
    for (let more = true; more; steps++) {
      const startNs = nowNs()
      more = table.compactStep(1000)
      const tookNs = nowNs() - startNs
      totalNs += tookNs
      longestNs = Math.max(longestNs, tookNs)
    }
  const movedCount = sumOf((table) => table.metrics().movedRecords)
  console.log(`  compaction         ${(totalNs / movedCount).toFixed(0)} ns a moved record, ${movedCount} moved`)
  console.log(`  longest of ${steps} compaction steps of 1,000: ${(longestNs / 1e6).toFixed(2)} ms`)
  console.log(`  after compaction: ${memory(rest)}`)
  observer.disconnect()
}

const counts = process.argv.slice(2).map((millions) => Math.round(Number(millions) * 1e6))
for (const count of counts.length > 0 ? counts : [100_000, 1_000_000, 2_000_000, 3_000_000, 5_000_000])
  await measure(count)
