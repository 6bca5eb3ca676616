// The floor of event-loop delays at a steady rate: what takes puts as an engine does, with a promise and a receipt for each and
// one append and data sync for all that wait, and does nothing else with them; and a thread that copies a file with rests, as
// a checkpoint does. What this costs the loop, no engine can save. Must not encode, index or remember anything.

import { constants } from "node:fs"
import { open } from "node:fs/promises"
import { join } from "node:path"
import { Worker } from "node:worker_threads"
import { preallocate, RAW_SIZE, rawWrite } from "./bare-write.ts"

/** Of a record of W1 in the log. */
const RECORD_SIZE = 110
/** Of a checkpoint of a million records of W1. */
const COPY_SIZE = 80 * 1024 * 1024

export interface BareStore {
  readonly put: () => Promise<unknown>
}

interface Batch {
  readonly done: PromiseWithResolvers<void>
  sizeBytes: number
}

export async function openBare(directory: string): Promise<BareStore> {
  const file = await preallocate(join(directory, "bare"), constants.O_TRUNC)
  const bytes = Buffer.alloc(RAW_SIZE)
  let waiting: Batch | undefined
  let isWriting = false
  let position = 0
  let lastLsn = 0
  const flush = (): void => {
    const batch = waiting
    if (isWriting || batch === undefined) return
    waiting = undefined
    isWriting = true
    if (position + batch.sizeBytes > RAW_SIZE) position = 0
    const end = position + batch.sizeBytes
    rawWrite(file.fd, bytes.subarray(position, end), position, true).then(() => {
      isWriting = false
      position = end
      flush()
      batch.done.resolve()
    }, batch.done.reject)
  }
  const put = (): Promise<unknown> => {
    const lsn = ++lastLsn
    if (waiting === undefined) {
      waiting = { done: Promise.withResolvers(), sizeBytes: 0 }
      queueMicrotask(flush)
    }
    waiting.sizeBytes += RECORD_SIZE
    return waiting.done.promise.then(() => ({ lsn }))
  }
  return { put }
}

/** A thread that copies a file of a checkpoint's size again and again, 2 ms at a time with rests of 6, until the process ends. */
export async function copyAside(directory: string): Promise<void> {
  const source = join(directory, "source")
  const file = await open(source, "w")
  await file.writeFile(Buffer.alloc(COPY_SIZE, 1))
  await file.close()
  const worker = new Worker(new URL("./copying-thread.ts", import.meta.url), { workerData: { source } })
  await new Promise<void>((resolve, reject) => {
    worker.once("message", resolve)
    worker.once("error", reject)
  })
}
