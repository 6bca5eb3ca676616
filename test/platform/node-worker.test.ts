// Workers: one answer each, or the news that they are lost, whatever becomes of them.

import { describe, expect, onTestFinished, test } from "vitest"
import { startWorker, WorkerLost } from "../../src/platform/node/node-worker.ts"
import type { WorkerOptions, WorkerRun } from "../../src/platform/node/node-worker.ts"
import type { Script } from "./scripted-worker.ts"

interface Answer {
  readonly value: number
}

const url = new URL("./scripted-worker.ts", import.meta.url)

function isAnswer(message: unknown): message is Answer {
  return typeof message === "object" && message !== null && "value" in message
}

function start(script: Script, silenceMsMax?: number): WorkerRun<Answer, Script> {
  const run = startWorker(url, script, isAnswer, silenceMsMax === undefined ? {} : { silenceMsMax })
  onTestFinished(() => run.end())
  return run
}

function next(run: WorkerRun<Answer, Script>, script: Script, options: WorkerOptions = {}): WorkerRun<Answer, Script> {
  const following = run.next(script, options)
  if (following === undefined) throw new Error("the worker has ended")
  return following
}

async function lossOf(run: WorkerRun<Answer>): Promise<WorkerLost> {
  const loss = await run.answer.then(
    () => undefined,
    (error: unknown) => error,
  )
  if (!(loss instanceof WorkerLost)) throw new Error(`not lost, but ${String(loss)}`)
  return loss
}

test("a worker answers", async () => {
  expect(await start({ kind: "answer", value: 7 }).answer).toEqual({ value: 7 })
})

describe("a worker is lost", () => {
  test("that is ended, at once or later, and may be ended again", async () => {
    const run = start({ kind: "hang" })
    await run.end()
    expect((await lossOf(run)).message).toContain("and no answer")
    await run.end()
  })

  test.each([0, 3])("that ends by itself with code %i", async (code) => {
    expect((await lossOf(start({ kind: "exit", code }))).message).toBe(
      `the worker thread ended with ${code} and no answer`,
    )
  })

  test("that throws, and the loss says what", async () => {
    const { message, cause } = await lossOf(start({ kind: "throw" }))
    expect(message).toBe("the worker thread failed")
    expect(cause).toMatchObject({ message: "a defect" })
  })

  test("that says what cannot be passed between threads", async () => {
    expect((await lossOf(start({ kind: "function" }))).message).toBe("the worker thread failed")
  })

  test.each([[undefined], [null], [0], ["done"], [{ done: "7" }], [{}], [[]], [{ valu: 1 }]])(
    "that answers %j",
    async (message) => {
      expect((await lossOf(start({ kind: "nonsense", message }))).message).toBe(
        "the worker thread said what no worker says",
      )
    },
  )

  test("whose module is not there", async () => {
    const run = startWorker(new URL("./no-such-worker.ts", import.meta.url), {}, isAnswer)
    onTestFinished(() => run.end())
    expect((await lossOf(run)).message).toBe("the worker thread failed")
  })

  test("that cannot be started", async () => {
    const run = startWorker(url, () => undefined, isAnswer)
    expect((await lossOf(run)).message).toBe("the worker thread could not be started")
    await run.end()
  })

  test("of which nothing is heard for too long", async () => {
    const startMs = performance.now()
    expect((await lossOf(start({ kind: "hang" }, 800))).message).toBe("the worker thread was silent for 800 ms")
    expect(performance.now() - startMs).toBeGreaterThanOrEqual(800)
  })
})

test("a worker says how far it is", async () => {
  const told: number[] = []
  const job: Script = { kind: "work", ms: 700 }
  const run = startWorker(url, job, isAnswer, { onProgress: (done) => void told.push(done) })
  onTestFinished(() => run.end())
  await run.answer
  expect(new Set(told)).toEqual(new Set([7]))
})

test("a worker rests behind each piece of work, until it is told to hurry", async () => {
  expect(await start({ kind: "rest", calls: 20, untilHurried: false }).answer).toEqual({ value: 20 })
  const hurried = start({ kind: "rest", calls: 20, untilHurried: true })
  hurried.hurry(true)
  expect(await hurried.answer).toEqual({ value: 0 })
})

describe("a worker is not lost", () => {
  test("that works for longer than it may be silent, because it says that it gets on", async () => {
    expect(await start({ kind: "work", ms: 4500 }, 3000).answer).toEqual({ value: 1 })
  })

  test("while this thread stands still for longer than that", async () => {
    const run = start({ kind: "work", ms: 100 }, 600)
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2000)
    expect(await run.answer).toEqual({ value: 1 })
  })
})

describe("a worker that has answered", () => {
  test("does the next job, and says how far that is", async () => {
    const first = start({ kind: "answer", value: 7 })
    await first.answer
    const told: number[] = []
    const second = next(first, { kind: "work", ms: 700 }, { onProgress: (done) => void told.push(done) })
    expect(await second.answer).toEqual({ value: 1 })
    expect(new Set(told)).toEqual(new Set([7]))
    const third = next(second, { kind: "thread" })
    const { value } = await third.answer
    expect(await next(third, { kind: "thread" }).answer).toEqual({ value })
  })

  test("is not in the hurry that it was told of for the job before", async () => {
    const first = start({ kind: "rest", calls: 20, untilHurried: true })
    first.hurry(true)
    await first.answer
    expect(await next(first, { kind: "rest", calls: 20, untilHurried: false }).answer).toEqual({ value: 20 })
  })

  test("is lost by the next job that it does not answer, and the first answer stands", async () => {
    const first = start({ kind: "answer", value: 7 })
    await first.answer
    expect((await lossOf(next(first, { kind: "throw" }))).message).toBe("the worker thread failed")
    expect(await first.answer).toEqual({ value: 7 })
  })

  test("takes no other job when it has ended", async () => {
    const first = start({ kind: "answer", value: 7 })
    await first.answer
    await first.end()
    expect(first.next({ kind: "answer", value: 8 })).toBeUndefined()
  })
})
