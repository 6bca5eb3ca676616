// The process that is going to be killed. It opens the store, loads the cities, and tells its parent which puts were
// acknowledged: only after their promise has resolved, never before. A subscriber of the change feed keeps a summary of
// what has become durable, which goes to the parent as well.
//
// SIGTERM, Ctrl-C and the loss of the parent end it in order: puts in flight are waited for, then the store is closed.
// SIGKILL ends it at any instruction, and that is what the demonstration is about.
//
// Arguments: the store's directory, the number of rows. Run by writer-process.ts.

import { auditTime, scan } from "rxjs"
import { open } from "../../src/index.ts"
import { EMPTY_SUMMARY, summarize } from "./city-summary.ts"
import type { Summary } from "./city-summary.ts"
import { keyOf, loadDataSet } from "./data-set.ts"
import type { City } from "./data-set.ts"
import { putCities } from "./put-cities.ts"

/** What the writer tells its parent. The parent answers `acknowledged` with the number of keys it has heard of so far. */
export type WriterMessage =
  | { readonly kind: "acknowledged"; readonly keys: readonly string[] }
  | { readonly kind: "summary"; readonly summary: Summary }

const SUMMARY_INTERVAL_MS = 100
/** The part of all cities that may be on their way without the parent having heard of them. */
const UNHEARD_PART_MAX = 0.25

const [directory = "", rowCountMax = ""] = process.argv.slice(2)
const stopping = new AbortController()
for (const ending of ["SIGTERM", "SIGINT", "disconnect"]) process.on(ending, () => stopping.abort())

const { cities } = await loadDataSet(Number(rowCountMax))

// The parent kills this process before it has heard of all cities. Because the writer never runs further ahead of what
// the parent has heard, it is certain to have work left at that moment, however fast the store is.
const unheardCountMax = Math.ceil(cities.length * UNHEARD_PART_MAX)
let startedCount = 0
let heardCount = 0
let heard = Promise.withResolvers<void>()
const wake = (): void => {
  heard.resolve()
  heard = Promise.withResolvers()
}
process.on("message", (count: number) => {
  heardCount = count
  wake()
})
stopping.signal.addEventListener("abort", wake)

function startPut(): Promise<void> | undefined {
  if (startedCount - heardCount >= unheardCountMax) return startPutLater()
  startedCount++
  return undefined
}

async function startPutLater(): Promise<void> {
  while (startedCount - heardCount >= unheardCountMax && !stopping.signal.aborted) await heard.promise
  startedCount++
}

// Keys that were acknowledged in the same turn of the event loop go in one message.
let keys: string[] = []
let sent: Promise<void> = Promise.resolve()

function acknowledge(city: City): void {
  if (keys.push(keyOf(city)) === 1) setImmediate(sendKeys)
}

function sendKeys(): void {
  sent = send({ kind: "acknowledged", keys })
  keys = []
}

/** Resolves when the message has left this process. */
async function send(message: WriterMessage): Promise<void> {
  await new Promise<void>((resolve) => {
    // Without a parent there is nobody to tell; the loss of it stops the writer.
    if (process.send === undefined || !process.connected) resolve()
    else process.send(message, undefined, undefined, () => resolve())
  })
}

await using store = await open(directory)
const table = store.table<City>("cities")

const summaries = table
  .changes()
  .observable()
  .pipe(scan(summarize, EMPTY_SUMMARY), auditTime(SUMMARY_INTERVAL_MS))
  .subscribe((summary) => void send({ kind: "summary", summary }))

await putCities(table, cities, { beforePut: startPut, onAcknowledged: acknowledge, signal: stopping.signal })

summaries.unsubscribe()
// Behind the last keys, which are sent at the end of the turn.
await new Promise((resolve) => setImmediate(resolve))
await sent
if (process.connected) process.disconnect()
