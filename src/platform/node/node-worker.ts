// Work on another thread: one job, one answer, and then the next one, if the worker is kept. A worker holds nothing
// between jobs, so its death costs the job and nothing else. One that is not heard of for too long, or that says what no
// worker says, is as good as dead.
//
// A worker is worth keeping: a new one compiles all that runs often in it anew, on V8's own threads, at the cost of the
// threads that wait for a processor meanwhile.
//
// What passes from a worker: from time to time, where its work gets on, `{ done }`, how far; and then its answer. To it:
// `{ isHurried }`, and behind an answer `{ job }`.

import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads"

/** The worker ended without an answer: killed, silent, out of memory, or a defect in it, which is the cause then. */
export class WorkerLost extends Error {
  override readonly name = "WorkerLost"
}

/** What passes to a worker while it works. */
interface Hurry {
  readonly isHurried: boolean
}

/** What passes to a worker that has answered. */
interface NextJob<Job> {
  readonly job: Job
}

interface Progress {
  readonly done: number
}

export interface WorkerRun<Answer, Job = never> {
  readonly answer: Promise<Answer>
  /** Lets the worker take all of a processor, or leave most of it to others, which it does until it is told. */
  hurry(isHurried: boolean): void
  /**
   * Gives the same worker another job; undefined where it has ended since. Requires: it has answered the one before. From
   * its answer on it does not keep the process alive.
   */
  next(job: Job, options?: WorkerOptions): WorkerRun<Answer, Job> | undefined
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
): WorkerRun<Answer, Job> {
  let worker: Worker
  try {
    worker = new Worker(url, { workerData: job })
  } catch (cause) {
    // The system has no thread to give.
    return lostRun(new WorkerLost("the worker thread could not be started", { cause }))
  }
  return new WorkerThread<Job, Answer>(worker, isAnswer).expect(options)
}

function lostRun<Answer, Job>(loss: WorkerLost): WorkerRun<Answer, Job> {
  const answer = Promise.reject(loss)
  answer.catch(() => undefined)
  return { answer, hurry: () => undefined, next: () => undefined, end: () => Promise.resolve() }
}

/** What a job waits with for its answer. */
interface Waiting<Answer> {
  readonly resolve: (answer: Answer) => void
  readonly reject: (loss: WorkerLost) => void
  readonly onProgress: ((done: number) => void) | undefined
  readonly timer: NodeJS.Timeout
}

class WorkerThread<Job, Answer> {
  // Constant after construction.
  readonly #worker: Worker
  readonly #isAnswer: (message: unknown) => message is Answer
  // Changed by jobs and by what the worker does.
  #waiting: Waiting<Answer> | undefined
  #silentLookCount = 0
  #loss: WorkerLost | undefined

  constructor(worker: Worker, isAnswer: (message: unknown) => message is Answer) {
    this.#worker = worker
    this.#isAnswer = isAnswer
    worker.on("message", (message: unknown) => this.#hear(message))
    worker.on("messageerror", (cause) => this.#lose("said what cannot be read", cause))
    worker.on("error", (cause) => this.#lose("failed", cause))
    worker.on("exit", (code) => this.#lose(`ended with ${code} and no answer`))
  }

  /** The run of the job that the worker has. */
  expect({ onProgress, silenceMsMax = SILENCE_MS_MAX }: WorkerOptions): WorkerRun<Answer, Job> {
    this.#silentLookCount = 0
    const look = (): void => {
      if (++this.#silentLookCount > SILENT_LOOK_COUNT_MAX) this.#lose(`was silent for ${silenceMsMax} ms`)
    }
    const timer = setInterval(look, silenceMsMax / SILENT_LOOK_COUNT_MAX)
    // The worker itself keeps the process alive.
    timer.unref()
    const answer = new Promise<Answer>((resolve, reject) => {
      this.#waiting = { resolve, reject, onProgress, timer }
    })
    answer.catch(() => undefined)
    return {
      answer,
      hurry: (isHurried) => this.#worker.postMessage({ isHurried } satisfies Hurry),
      next: (job, options = {}) => this.#next(job, options),
      end: async () => {
        await this.#worker.terminate()
      },
    }
  }

  #next(job: Job, options: WorkerOptions): WorkerRun<Answer, Job> | undefined {
    if (this.#loss !== undefined) return undefined
    this.#worker.postMessage({ job } satisfies NextJob<Job>)
    this.#worker.ref()
    return this.expect(options)
  }

  #hear(message: unknown): void {
    this.#silentLookCount = 0
    if (this.#isAnswer(message)) {
      // One that has nothing to do is no reason for the process to go on.
      this.#worker.unref()
      this.#settle()?.resolve(message)
    } else if (isProgress(message)) this.#waiting?.onProgress?.(message.done)
    else this.#lose("said what no worker says")
  }

  /** Also between two jobs, where nobody waits: then no other job is taken. */
  #lose(what: string, cause?: unknown): void {
    this.#loss ??= new WorkerLost(`the worker thread ${what}`, { cause })
    this.#settle()?.reject(this.#loss)
  }

  #settle(): Waiting<Answer> | undefined {
    const waiting = this.#waiting
    this.#waiting = undefined
    clearInterval(waiting?.timer)
    return waiting
  }
}

/** Work at a time, and the rest behind it, of a worker that is not in a hurry: a quarter of a processor. */
const WORK_MS = 2
const REST_MS = 6

/**
 * For the module that runs in a worker: does its job, answers, and waits for the next one. `work` calls `alive` wherever
 * it gets on, with how far it is, and waits for what that returns: the rest that is due. What it throws ends the worker.
 */
export async function serveWorker<Job, Answer>(
  work: (job: Job, alive: (done: number) => Promise<void> | undefined) => Promise<Answer>,
): Promise<never> {
  const port = parentPort
  if (isMainThread || port === null) throw new Error("this module runs in a worker thread")
  let saidMs = 0
  let restedMs = 0
  let isHurried = false
  let take: (job: Job) => void = () => undefined
  port.on("message", (message: Hurry | NextJob<Job>) => {
    if ("job" in message) take(message.job)
    else isHurried = message.isHurried
  })
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
  for (let job = workerData as Job; ;) {
    // Listening must not keep a worker alive whose work has failed, or waits for what never comes.
    port.unref()
    saidMs = restedMs = performance.now()
    const next = new Promise<Job>((resolve) => {
      take = (taken) => {
        // What it was told about the job before does not count.
        isHurried = false
        resolve(taken)
      }
    })
    const answer = await work(job, alive)
    port.ref()
    port.postMessage(answer)
    job = await next
  }
}

function isProgress(message: unknown): message is Progress {
  return typeof message === "object" && message !== null && "done" in message && typeof message.done === "number"
}
