// The worker thread that makes large checkpoints: it does the work, and its death costs nothing.

import { spawnSync } from "node:child_process"
import { fileURLToPath } from "node:url"
import { expect, test } from "vitest"

const script = fileURLToPath(new URL("./checkpoint-worker-story.ts", import.meta.url))

interface Story {
  readonly workers: number
  readonly lost: number
  readonly records: number
  readonly wrong: number
  readonly failures: number
  readonly checkpoint: number
}

function tell(plot: string): Story {
  const { stdout, stderr, status } = spawnSync(process.execPath, [script, plot], { encoding: "utf8", timeout: 60_000 })
  if (status !== 0) throw new Error(stderr)
  return JSON.parse(stdout) as Story
}

test("a large checkpoint is made by a worker thread, and the store opens from it", () => {
  expect(tell("work")).toMatchObject({ workers: 1, lost: 0, records: 60_000, wrong: 0, failures: 0, checkpoint: 1 })
})

test("fault 37: a worker that dies is replaced, and nothing is lost", () => {
  expect(tell("die once")).toMatchObject({ workers: 2, lost: 1, records: 60_000, wrong: 0, failures: 0, checkpoint: 1 })
})

test("fault 37: where every worker dies, the checkpoint is made without one", () => {
  expect(tell("die always")).toMatchObject({
    workers: 3,
    lost: 3,
    records: 60_000,
    wrong: 0,
    failures: 0,
    checkpoint: 1,
  })
})

test("closing the store ends the worker, and the next open finds the same records", () => {
  expect(tell("close")).toMatchObject({ workers: 1, records: 60_000, wrong: 0, checkpoint: 0 })
})

test("no worker is started where none is wanted", () => {
  expect(tell("none")).toMatchObject({ workers: 0, lost: 0, records: 60_000, wrong: 0, checkpoint: 1 })
})
