// Work on another thread: one job, one worker, one answer. A worker holds nothing between jobs, so its death costs the
// job and nothing else.

import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads"

/** The worker ended without an answer: killed, out of memory, or a defect in it, which is the cause then. */
export class WorkerLost extends Error {
  override readonly name = "WorkerLost"
}

export interface WorkerRun<Answer> {
  readonly answer: Promise<Answer>
  /** Ends the worker, if it still runs; the answer is then WorkerLost. Resolves when it touches nothing any more. */
  end(): Promise<void>
}

/** Starts the module at `url` in a worker and gives it the job. The job and the answer are cloned. */
export function startWorker<Job, Answer>(url: URL, job: Job): WorkerRun<Answer> {
  const worker = new Worker(url, { workerData: job })
  const answer = new Promise<Answer>((resolve, reject) => {
    worker.once("message", resolve)
    worker.once("error", (cause) => reject(new WorkerLost("the worker thread failed", { cause })))
    worker.once("exit", (code) => reject(new WorkerLost(`the worker thread ended with ${code} and no answer`)))
  })
  answer.catch(() => undefined)
  return {
    answer,
    async end() {
      await worker.terminate()
    },
  }
}

/** For the module that runs in a worker: does its job, and answers. What `work` throws ends the worker. */
export async function serveWorker<Job, Answer>(work: (job: Job) => Promise<Answer>): Promise<void> {
  if (isMainThread || parentPort === null) throw new Error("this module runs in a worker thread")
  const answer = await work(workerData as Job)
  parentPort.postMessage(answer)
}
