// The worker thread that makes large checkpoints: it does the work, and its death costs nothing, whenever it comes.

import { spawnSync } from "node:child_process"
import { expect, test } from "vitest"
import { SimulatedRandom } from "../../src/simulation/simulated-random.ts"
import { programPath } from "../programs.ts"

const script = programPath("test/processes/checkpoint-worker-story.ts")

const deathsScript = programPath("test/processes/checkpoint-workers-die-story.ts")
const fateModule = new URL("./worker-fate.ts", import.meta.url).href

const SEED = Number(process.env["ORRERY_SEED"] ?? 5)
/** Checkpoints whose workers die. */
const ROUND_COUNT = Number(process.env["ORRERY_WORKER_ROUNDS"] ?? 4)

interface Story {
  readonly workers: number
  /** Of them, when the store was closed. */
  readonly ended: number
  readonly lost: number
  readonly records: number
  readonly wrong: number
  readonly failures: number
  readonly checkpoint: number
}

function tell(plot: string): Story {
  const { stdout, stderr, status } = spawnSync(process.execPath, [script, plot], { encoding: "utf8", timeout: 300_000 })
  if (status !== 0) throw new Error(stderr)
  return JSON.parse(stdout) as Story
}

test("large checkpoints are made by one worker thread, which closing ends, and the store opens from the last", () => {
  expect(tell("twice")).toMatchObject({
    workers: 1,
    ended: 1,
    lost: 0,
    records: 60_000,
    wrong: 0,
    failures: 0,
    checkpoint: 2,
  })
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

interface Deaths {
  readonly workers: number
  /** The most that ran at a time: what one leaves, the next removes. */
  readonly together: number
  readonly lost: number
  readonly failures: number
  readonly made: number
  readonly concurrent: number
  readonly wrong: number
  readonly leftovers: readonly string[]
  readonly verdict: string
}

function tellOfDeaths(plan: readonly (readonly string[])[], seconds: number): Deaths {
  const arguments_ = ["--import", fateModule, deathsScript, JSON.stringify(plan)]
  const { stdout, stderr, status } = spawnSync(process.execPath, arguments_, {
    encoding: "utf8",
    timeout: seconds * 1000,
  })
  if (status !== 0) throw new Error(stderr)
  return JSON.parse(stdout) as Deaths
}

/** One to three fates, each after some milliseconds or at some call of the file system. */
function randomFates(random: SimulatedRandom): string[] {
  return Array.from({ length: 1 + random.below(3) }, () => {
    const fate = random.pick(["exit", "exit", "throw", "nonsense", "lie", "after"])
    return `${fate} ${fate === "after" ? random.below(200) : 1 + random.below(70)}`
  })
}

test("fault 37: workers that die anywhere, or say what is not true: nothing is lost, and nothing is left behind", () => {
  const random = new SimulatedRandom(SEED)
  const plan = Array.from({ length: ROUND_COUNT }, () => randomFates(random))
  const deaths = tellOfDeaths(plan, 300 + 10 * ROUND_COUNT)
  const tell = `ORRERY_SEED=${SEED}: ${JSON.stringify(plan)}`
  expect(deaths, tell).toMatchObject({
    made: ROUND_COUNT,
    failures: 0,
    wrong: 0,
    leftovers: [],
    verdict: "good",
    together: 1,
  })
  // Those that were to die late may have been done before.
  expect(deaths.lost, tell).toBeGreaterThan(ROUND_COUNT / 2)
  expect(deaths.workers, tell).toBeLessThanOrEqual(ROUND_COUNT * 3)
  expect(deaths.concurrent, tell).toBeGreaterThan(ROUND_COUNT * 20)
})

test("fault 37: after three of them this thread makes the checkpoint, and the next one is a worker's again", () => {
  const plan = [["exit 2", "lie 9", "nonsense 1", "exit 1"], []]
  expect(tellOfDeaths(plan, 300)).toMatchObject({ workers: 4, together: 1, lost: 3, made: 2, failures: 0, wrong: 0 })
})

test("fault 37: a worker that hangs is given up, and another makes the checkpoint", () => {
  expect(tellOfDeaths([["hang 25"]], 300)).toMatchObject({ workers: 2, lost: 1, made: 1, failures: 0, wrong: 0 })
})
