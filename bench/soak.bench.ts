// A long run under full load, with default options: callers that put, delete and get without a pause over a bounded number
// of keys, and one subscriber of everything. Looks at itself every second, and says in the end whether memory is flat and
// the directory bounded; ends with 1 where one of them is not.
//
//   node --expose-gc bench/soak.bench.ts --minutes 10 --directory /mnt/soak
//
// Flat: by the line through the values after the first minute (of short runs: after the first third), resident memory
// and the floor of the heap each grow over that time by no more than a twentieth, or by no more than noise explains.
//
// Bounded: the directory is never larger than its rules allow. Three checkpoints are kept and one is being made; the log
// is kept behind the oldest of them, and a checkpoint comes due at 64 MiB of log or when the log is as long as the state,
// whatever is more; twice as much may be written until one that is due is made. Four segments are preallocated.

import { monitorEventLoopDelay } from "node:perf_hooks"
import { parseArgs } from "node:util"
import { diskUseOf } from "./disk-use.ts"
import { openOrrery } from "./peers/orrery.ts"
import type { OrreryStore } from "./peers/orrery.ts"
import { formatMegabytes, formatMs, formatRate } from "./report.ts"
import { sparkline } from "./sparkline.ts"
import { medianOf, trendOf } from "./statistics.ts"
import { fractions, keyOf, recordOf, SEED } from "./workload.ts"

const KEY_COUNT = 300_000
const CALLERS = 1000
/** Of the operations; the others are gets. */
const PUT_SHARE = 0.6
const DELETE_SHARE = 0.1

const SAMPLE_MS = 1000
/** Samples of which the lowest stands for the floor of the heap. */
const FLOOR_SAMPLES = 5
const CHART_WIDTH = 60
const MEBIBYTE = 1024 * 1024
const LOG_BYTES_DUE = 64 * MEBIBYTE
const SEGMENT_BYTES = 16 * MEBIBYTE
const CHECKPOINTS_KEPT = 3
const GROWTH_MAX = 0.05

interface Sample {
  readonly writesPerSecond: number
  readonly rssBytes: number
  readonly heapBytes: number
  readonly directoryBytes: number
  readonly loopP99Ms: number
  readonly checkpoints: number
  readonly checkpointBytes: number
  /** Commits that the subscriber has not seen yet. */
  readonly behind: number
}

const { values } = parseArgs({
  options: { minutes: { type: "string", default: "10" }, directory: { type: "string" } },
})
const { directory } = values
if (directory === undefined) throw new TypeError("--directory is missing: an empty directory for the store")

const orrery = await openOrrery(directory)
let isOver = false
let writes = 0
let gets = 0
let found = 0
const subscriber = subscribe(orrery)
const endMs = performance.now() + Number(values.minutes) * 60_000
const callers = Array.from({ length: CALLERS }, (_, caller) => call(orrery, SEED + caller))
const samples = await sampleUntil(endMs)
isOver = true
await Promise.all(callers)
const missing = await subscriber.end()
const { failures } = orrery.store.metrics().checkpoint
await orrery.close()
process.exitCode = tell(samples) ? 0 : 1

async function call({ users }: OrreryStore, seed: number): Promise<void> {
  const fraction = fractions(seed)
  for (let sinceTurn = 0; !isOver;) {
    const n = Math.floor(fraction() * KEY_COUNT)
    const kind = fraction()
    if (kind < PUT_SHARE) await users.put(keyOf(n), recordOf(n))
    else if (kind < PUT_SHARE + DELETE_SHARE) await users.delete(keyOf(n))
    else {
      const record = users.get(keyOf(n))
      gets++
      if (record !== undefined && record.id !== n) throw new Error(`${keyOf(n)} holds the record of ${record.id}`)
      if (record !== undefined) found++
      // Gets are synchronous: those of one caller must not keep the others out.
      if (++sinceTurn % 64 === 0) await new Promise((resolve) => setImmediate(resolve))
      continue
    }
    writes++
  }
}

interface Subscriber {
  seenLsn: number
  /** Ends it when it has seen everything. Returns how many commits it has not seen in ten seconds. */
  end(): Promise<number>
}

/** Sees every commit, once and in order. */
function subscribe({ store }: OrreryStore): Subscriber {
  const ending = new AbortController()
  const state = { seenLsn: 0, end }
  const reading = (async () => {
    for await (const { lsn } of store.changes({ signal: ending.signal })) {
      if (lsn <= state.seenLsn) throw new Error(`LSN ${lsn} came behind ${state.seenLsn}`)
      state.seenLsn = lsn
    }
  })().catch((error: unknown) => {
    if (!ending.signal.aborted) throw error
  })
  async function end(): Promise<number> {
    const { durableLsn } = store.metrics().log
    for (let waited = 0; state.seenLsn < durableLsn && waited < 10_000; waited += 10) {
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
    ending.abort()
    await reading
    return durableLsn - state.seenLsn
  }
  return state
}

async function sampleUntil(untilMs: number): Promise<Sample[]> {
  const taken: Sample[] = []
  const loop = monitorEventLoopDelay({ resolution: 1 })
  loop.enable()
  let beforeMs = performance.now()
  let before = writes
  while (performance.now() < untilMs) {
    await new Promise((resolve) => setTimeout(resolve, SAMPLE_MS))
    const nowMs = performance.now()
    const { rss, heapUsed } = process.memoryUsage()
    const { directoryBytes, checkpointBytes } = diskUseOf(directory ?? "")
    const { checkpoint, log } = orrery.store.metrics()
    taken.push({
      writesPerSecond: ((writes - before) / (nowMs - beforeMs)) * 1000,
      rssBytes: rss,
      heapBytes: heapUsed,
      directoryBytes,
      loopP99Ms: loop.percentile(99) / 1e6,
      checkpoints: checkpoint.made,
      checkpointBytes: Math.max(checkpoint.lastSizeBytes, checkpointBytes / (CHECKPOINTS_KEPT + 1)),
      behind: log.durableLsn - subscriber.seenLsn,
    })
    loop.reset()
    beforeMs = nowMs
    before = writes
    if (taken.length % 30 === 0) process.stderr.write(`${taken.length} s: ${progressOf(taken.at(-1) as Sample)}\n`)
  }
  loop.disable()
  return taken
}

function progressOf({ writesPerSecond, rssBytes, directoryBytes, checkpoints }: Sample): string {
  const sizes = `RSS ${formatMegabytes(rssBytes)}, directory ${formatMegabytes(directoryBytes)}`
  return `${formatRate(writesPerSecond)} writes, ${sizes}, ${checkpoints} checkpoints`
}

/** Prints the course of everything, and the verdicts. Returns whether they are good. */
function tell(all: readonly Sample[]): boolean {
  const line = (name: string, of: (sample: Sample) => number, format: (value: number) => string): void => {
    const course = all.map(of)
    const text = `${format(Math.min(...course)).padStart(10)} ${sparkline(course, CHART_WIDTH)} ${format(Math.max(...course))}`
    console.log(`${name.padEnd(20)}${text}`)
  }
  const rates = all.map(({ writesPerSecond }) => writesPerSecond)
  console.log(`${all.length} s, ${writes.toLocaleString("en")} writes, ${gets.toLocaleString("en")} gets`)
  console.log(`(${found.toLocaleString("en")} of them found something); from the lowest to the highest, over time:\n`)
  line("writes", ({ writesPerSecond }) => writesPerSecond, formatRate)
  line("resident memory", ({ rssBytes }) => rssBytes, formatMegabytes)
  line("JavaScript heap", ({ heapBytes }) => heapBytes, formatMegabytes)
  line("directory", ({ directoryBytes }) => directoryBytes, formatMegabytes)
  line("event-loop p99", ({ loopP99Ms }) => loopP99Ms, formatMs)
  line("checkpoints made", ({ checkpoints }) => checkpoints, String)
  line("subscriber behind", ({ behind }) => behind, String)
  console.log(`\nwrites: median ${formatRate(medianOf(rates))}`)
  const isFlat = tellOfMemory(all)
  const isBounded = tellOfDirectory(all)
  if (failures > 0) console.log(`FAILED: ${failures} checkpoints`)
  if (missing > 0) console.log(`FAILED: the subscriber never saw the last ${missing} commits`)
  return isFlat && isBounded && failures === 0 && missing === 0
}

function tellOfMemory(all: readonly Sample[]): boolean {
  const settled = all.slice(Math.min(60, Math.floor(all.length / 3)))
  const heap = settled.map(({ heapBytes }) => heapBytes)
  const isResidentFlat = tellOfTrend(
    "resident memory",
    settled.map(({ rssBytes }) => rssBytes),
    1,
  )
  // Between two collections the heap holds garbage: its floor is what counts.
  const floors = Array.from({ length: Math.floor(heap.length / FLOOR_SAMPLES) }, (_, index) =>
    Math.min(...heap.slice(index * FLOOR_SAMPLES, (index + 1) * FLOOR_SAMPLES)),
  )
  const isHeapFlat = tellOfTrend("floor of the heap", floors, FLOOR_SAMPLES)
  return isResidentFlat && isHeapFlat
}

/** Whether the values, taken every so many seconds, stay where they are. */
function tellOfTrend(name: string, course: readonly number[], seconds: number): boolean {
  const { slope, slopeError, mean } = trendOf(course)
  const growth = slope * (course.length - 1)
  const isFlat = growth <= GROWTH_MAX * mean || slope <= 2 * slopeError
  const perHour = (perSample: number): string => ((perSample * 3600) / seconds / 1e6).toFixed(1)
  const rate = `${perHour(slope)} ± ${perHour(2 * slopeError)} MB an hour`
  const share = `${((growth / mean) * 100).toFixed(1)} % of ${formatMegabytes(mean)} in ${course.length * seconds} s`
  console.log(`${name}: ${isFlat ? "flat" : "NOT FLAT"}: ${rate}, ${share}`)
  return isFlat
}

function tellOfDirectory(all: readonly Sample[]): boolean {
  const largest = Math.max(...all.map(({ directoryBytes }) => directoryBytes))
  const checkpoint = Math.max(...all.map(({ checkpointBytes }) => checkpointBytes))
  const logDue = Math.max(LOG_BYTES_DUE, checkpoint)
  const bound = (CHECKPOINTS_KEPT + 1) * checkpoint + (CHECKPOINTS_KEPT + 2) * logDue + 4 * SEGMENT_BYTES
  const isBounded = largest <= bound
  const verdict = isBounded ? "bounded" : "NOT BOUNDED"
  console.log(`directory: ${verdict}: at most ${formatMegabytes(largest)}, allowed ${formatMegabytes(bound)}`)
  return isBounded
}
