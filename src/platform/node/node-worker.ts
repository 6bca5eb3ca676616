// Work on another thread: one job, one worker, one answer. A worker holds nothing between jobs, so its death costs the
// job and nothing else. One that is not heard of for too long, or that says what no worker says, is as good as dead.
//
// What passes from a worker: from time to time, where its work gets on, `{ done }`, how far; and then its answer.

import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads"

/** The worker ended without an answer: killed, silent, out of memory, or a defect in it, which is the cause then. */
export class WorkerLost extends Error {
  override readonly name = "WorkerLost"
}

/** What passes to a worker while it works. */
interface Hurry {
  readonly isHurried: boolean
}

interface Progress {
  readonly done: number
}

export interface WorkerRun<Answer> {
  readonly answer: Promise<Answer>
  /** Lets the worker take all of a processor, or leave most of it to others, which it does until it is told. */
  hurry(isHurried: boolean): void
  /** Ends the worker, if it still runs; the answer is then WorkerLost. Resolves when it touches nothing any more. */
  end(): Promise<void>
}

/**
 * A worker from which nothing is heard for so long hangs. Its longest step without a word is the sync of all that it has
 * written: that of 12 GB on a disk that takes 100 MB/s.
 */
const SILENCE_MS_MAX = 120_000
/** Looks in a row at which nothing was heard. More than one, so that a stall of this thread, however long, is no silence. */
const SILENT_LOOK_COUNT_MAX = 4
/** A worker says no more often how far it is. */
const ALIVE_MS = 200

export interface WorkerOptions {
  /** Told what the worker says of how far it is. Must not throw. */
  readonly onProgress?: (done: number) => void
  /** A worker that is not heard of for so long is lost. Default: two minutes. */
  readonly silenceMsMax?: number
}

/** Starts the module at `url` in a worker and gives it the job. The job and the answer are cloned. */
export function startWorker<Job, Answer>(
  url: URL,
  job: Job,
  isAnswer: (message: unknown) => message is Answer,
  options: WorkerOptions = {},
): WorkerRun<Answer> {
  const { onProgress, silenceMsMax = SILENCE_MS_MAX } = options
  let worker: Worker
  try {
    worker = new Worker(url, { workerData: job })
  } catch (cause) {
    // The system has no thread to give.
    const answer = Promise.reject(new WorkerLost("the worker thread could not be started", { cause }))
    answer.catch(() => undefined)
    return { answer, hurry: () => undefined, end: () => Promise.resolve() }
  }
  let silentLookCount = 0
  let timer: NodeJS.Timeout | undefined
  const answer = new Promise<Answer>((resolve, reject) => {
    const lose = (what: string, cause?: unknown): void => reject(new WorkerLost(`the worker thread ${what}`, { cause }))
    worker.on("message", (message: unknown) => {
      silentLookCount = 0
      if (isAnswer(message)) resolve(message)
      else if (isProgress(message)) onProgress?.(message.done)
      else lose("said what no worker says")
    })
    worker.once("messageerror", (cause) => lose("said what cannot be read", cause))
    worker.once("error", (cause) => lose("failed", cause))
    worker.once("exit", (code) => lose(`ended with ${code} and no answer`))
    const look = (): void => {
      if (++silentLookCount > SILENT_LOOK_COUNT_MAX) lose(`was silent for ${silenceMsMax} ms`)
    }
    timer = setInterval(look, silenceMsMax / SILENT_LOOK_COUNT_MAX)
    // The worker itself keeps the process alive.
    timer.unref()
  })
  answer.catch(() => undefined).finally(() => clearInterval(timer))
  return {
    answer,
    hurry(isHurried) {
      worker.postMessage({ isHurried } satisfies Hurry)
    },
    async end() {
      await worker.terminate()
    },
  }
}

/** Work at a time, and the rest behind it, of a worker that is not in a hurry: a quarter of a processor. */
const WORK_MS = 2
const REST_MS = 6

/**
 * For the module that runs in a worker: does its job, and answers. `work` calls `alive` wherever it gets on, with how far
 * it is, and waits for what that returns: the rest that is due. What it throws ends the worker.
 */
export async function serveWorker<Job, Answer>(
  work: (job: Job, alive: (done: number) => Promise<void> | undefined) => Promise<Answer>,
): Promise<void> {
  const port = parentPort
  if (isMainThread || port === null) throw new Error("this module runs in a worker thread")
  let saidMs = performance.now()
  let restedMs = saidMs
  let isHurried = false
  port.on("message", (message: Hurry) => {
    isHurried = message.isHurried
  })
  // Listening must not keep a worker alive whose work is done, or has failed.
  port.unref()
  const alive = (done: number): Promise<void> | undefined => {
    const nowMs = performance.now()
    if (nowMs - saidMs >= ALIVE_MS) {
      saidMs = nowMs
      port.postMessage({ done } satisfies Progress)
    }
    if (isHurried || nowMs - restedMs < WORK_MS) return undefined
    return new Promise((resolve) => {
      const goOn = (): void => {
        restedMs = performance.now()
        resolve()
      }
      setTimeout(goOn, REST_MS)
    })
  }
  port.postMessage(await work(workerData as Job, alive))
}

function isProgress(message: unknown): message is Progress {
  return typeof message === "object" && message !== null && "done" in message && typeof message.done === "number"
}
