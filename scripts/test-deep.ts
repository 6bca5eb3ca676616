// The tests whose worth grows with their number, run for as long as one likes: `npm run test:deep`, or
// `npm run test:deep -- --states 50000000 --minutes 60`. Everything else is scaled with the crash states. Runs in
// portions, each from a seed of its own that the default run does not use; what is done is kept in a file, and the next
// call goes on from there: `--resume <file>` names another one, `--only <name>` picks, `--afresh` forgets.
//
// Ends with 1 at the first portion that fails; the same portion comes again then. What the budget cuts off does not count.

import { spawn } from "node:child_process"
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { delimiter, dirname, join } from "node:path"
import { parseArgs } from "node:util"
import type { Figures } from "../test/figures.ts"
import { root } from "./run.ts"

interface Kind {
  readonly name: string
  /** What a unit of the goal is. */
  readonly unit: string
  /** Units for a release. */
  readonly goal: number
  /** Units of a portion. */
  readonly portion: number
  readonly files: readonly string[]
  /** The variable that asks for so many units; undefined where a portion is a whole run. */
  readonly variable: string | undefined
  readonly environment?: Readonly<Record<string, string>>
  /** A portion that is not begun with less time than this left. */
  readonly minutes?: number
}

const RELEASE_STATES = 50_000_000

const kinds: readonly Kind[] = [
  {
    name: "crash-states",
    unit: "distinct crash states",
    goal: RELEASE_STATES,
    portion: 1_000_000,
    files: ["test/property/acknowledged-writes-survive"],
    variable: "ORRERY_CRASH_STATES",
  },
  {
    name: "checkpoint-states",
    unit: "crash states of stores with checkpoints",
    goal: 100_000,
    portion: 10_000,
    files: ["test/property/checkpoints-survive-a-crash"],
    variable: "ORRERY_CRASH_STATES",
  },
  {
    name: "kill-9",
    unit: "kill -9 cycles",
    goal: 10_000,
    portion: 100,
    files: ["test/processes/kill-9"],
    variable: "ORRERY_KILL_CYCLES",
  },
  {
    name: "interleavings",
    unit: "interleavings, each run twice",
    goal: 5_000_000,
    portion: 50_000,
    files: ["test/property/seeded-interleavings-replay"],
    variable: "ORRERY_INTERLEAVINGS",
  },
  {
    name: "list-append",
    unit: "transactions judged by the list-append checker",
    goal: 50_000_000,
    portion: 1_000_000,
    files: ["test/property/transactions-pass-the-list-append-checker"],
    variable: "ORRERY_LIST_TRANSACTIONS",
  },
  {
    name: "folds",
    unit: "histories with checkpoints against a map",
    goal: 20_000,
    portion: 200,
    files: ["test/property/checkpointed-state-equals-live-state"],
    variable: "ORRERY_RUNS",
  },
  {
    name: "streams-from-a-state",
    unit: "schedules of streams with states and values before",
    goal: 100_000,
    portion: 1_000,
    files: ["test/property/streams-carry-the-whole-state"],
    variable: "ORRERY_STREAM_SCHEDULES",
  },
  {
    name: "unread",
    unit: "changes that pass a subscriber who never reads",
    goal: 5_000_000,
    portion: 5_000_000,
    files: ["test/streams/shapes"],
    variable: "ORRERY_FEED_UNREAD_CHANGES",
  },
  {
    name: "errno-sweeps",
    unit: "pairs of histories with every call failing in every way",
    goal: 100,
    portion: 1,
    files: ["test/property/failing-calls-break-no-promise"],
    variable: undefined,
  },
  {
    name: "worker-deaths",
    unit: "checkpoints whose worker dies",
    goal: 1_000,
    portion: 20,
    files: ["test/processes/checkpoint-worker"],
    variable: "ORRERY_WORKER_ROUNDS",
  },
  {
    name: "rot",
    unit: "stores with every byte of every file changed",
    goal: 1,
    portion: 1,
    files: ["test/faults/rot-in-every-byte"],
    variable: undefined,
    environment: { ORRERY_ROT_STRIDE: "1" },
    minutes: 45,
  },
]

/** What is kept between calls. */
interface Progress {
  /** Portions begun so far; decides the next seed. */
  portions: number
  seconds: number
  /** Units by kind. */
  done: Record<string, number>
  /** Sums of what the tests told, by what they count. */
  figures: Record<string, Record<string, number>>
}

/** Seeds lie this far apart: a portion counts on from its own. */
const FIRST_SEED = 1_000_003
const SEED_DISTANCE = 100_003
const SEED_COUNT = 4_000

const { values } = parseArgs({
  options: {
    states: { type: "string", default: String(RELEASE_STATES) },
    minutes: { type: "string", default: "60" },
    resume: { type: "string", default: join(root, "node_modules", ".cache", "orrery-test-deep.json") },
    only: { type: "string", multiple: true },
    afresh: { type: "boolean", default: false },
  },
})
const scale = positive("states", values.states) / RELEASE_STATES
const deadlineMs = performance.now() + positive("minutes", values.minutes) * 60_000
const chosen = kinds.filter(({ name }) => values.only === undefined || values.only.includes(name))
if (chosen.length === 0) throw new TypeError(`--only takes ${kinds.map(({ name }) => name).join(", ")}`)

const progress: Progress =
  existsSync(values.resume) && !values.afresh
    ? (JSON.parse(readFileSync(values.resume, "utf8")) as Progress)
    : { portions: 0, seconds: 0, done: {}, figures: {} }
if (progress.portions > 0) console.log(`goes on after ${progress.portions} portions, ${values.resume}`)

let hasFailed = false
for (;;) {
  const kind = nextKind()
  if (kind === undefined) break
  const outcome = await runPortion(kind, seedOf(progress.portions))
  if (outcome === "cut off") {
    console.log(`${kind.name}: cut off by the budget, does not count`)
    break
  }
  hasFailed = outcome === "failed"
  if (hasFailed) break
  save()
}
summarize()
process.exitCode = hasFailed ? 1 : 0

function positive(name: string, text: string): number {
  const value = Number(text)
  if (!(value > 0)) throw new TypeError(`--${name} takes a number above 0, not ${text}`)
  return value
}

function goalOf({ goal, portion }: Kind): number {
  return Math.max(portion === goal ? goal : 1, Math.ceil(goal * scale))
}

function doneOf({ name }: Kind): number {
  return progress.done[name] ?? 0
}

/** The kind that is the farthest from its goal, of those that the time left is enough for. */
function nextKind(): Kind | undefined {
  const leftMs = deadlineMs - performance.now()
  if (leftMs <= 0) return undefined
  return chosen
    .filter((kind) => doneOf(kind) < goalOf(kind) && leftMs > (kind.minutes ?? 0) * 60_000)
    .sort((left, right) => doneOf(left) / goalOf(left) - doneOf(right) / goalOf(right))[0]
}

function seedOf(portion: number): number {
  return FIRST_SEED + (portion % SEED_COUNT) * SEED_DISTANCE
}

async function runPortion(kind: Kind, seed: number): Promise<"done" | "failed" | "cut off"> {
  const count = Math.min(kind.portion, goalOf(kind) - doneOf(kind))
  const folder = mkdtempSync(join(tmpdir(), "orrery-deep-"))
  const figuresFile = join(folder, "figures")
  const own: Record<string, string> = { ...kind.environment, ORRERY_SEED: String(seed) }
  if (kind.variable !== undefined) own[kind.variable] = String(count)
  const startMs = performance.now()
  try {
    const { status, output } = await runTests(kind.files, { ...own, ORRERY_FIGURES: figuresFile })
    if (status === undefined) return "cut off"
    if (status !== 0) {
      const variables = Object.entries(own).map(([name, value]) => `${name}=${value}`)
      console.error(
        `${output}\n${kind.name}: failed. Again with:\n  ${variables.join(" ")} npx vitest run ${kind.files.join(" ")}`,
      )
      return "failed"
    }
    const seconds = (performance.now() - startMs) / 1000
    const told = existsSync(figuresFile) ? readFileSync(figuresFile, "utf8").trimEnd().split("\n") : []
    for (const line of told) addFigures(JSON.parse(line) as Figures)
    progress.portions++
    progress.seconds += seconds
    progress.done[kind.name] = doneOf(kind) + count
    const percent = ((doneOf(kind) / goalOf(kind)) * 100).toFixed(2)
    console.log(
      `${kind.name}: ${doneOf(kind)} of ${goalOf(kind)} ${kind.unit} (${percent} %); ` +
        `${count} in ${seconds.toFixed(1)} s from seed ${seed}`,
    )
    return "done"
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Runs vitest over the files. The status is undefined where the budget ended before it. */
function runTests(
  files: readonly string[],
  environment: Readonly<Record<string, string>>,
): Promise<{ readonly status: number | null | undefined; readonly output: string }> {
  const path = `${join(root, "node_modules", ".bin")}${delimiter}${process.env["PATH"] ?? ""}`
  return new Promise((resolve, reject) => {
    const child = spawn("vitest", ["run", "--bail", "1", ...files], {
      cwd: root,
      env: { ...process.env, ...environment, PATH: path },
      stdio: ["ignore", "pipe", "pipe"],
      // A group of its own: with it go the workers.
      detached: true,
    })
    let output = ""
    let isCutOff = false
    const timer = setTimeout(
      () => {
        isCutOff = true
        if (child.pid !== undefined) process.kill(-child.pid, "SIGKILL")
      },
      Math.max(0, deadlineMs - performance.now()),
    )
    child.stdout.on("data", (data: Buffer) => (output += data.toString()))
    child.stderr.on("data", (data: Buffer) => (output += data.toString()))
    child.on("error", reject)
    child.on("close", (status) => {
      clearTimeout(timer)
      resolve({ status: isCutOff ? undefined : status, output })
    })
  })
}

function addFigures({ what, counts, seconds, cpuSeconds }: Figures): void {
  const sums = (progress.figures[what] ??= {})
  for (const [name, count] of Object.entries({ ...counts, seconds, cpuSeconds })) {
    sums[name] = (sums[name] ?? 0) + count
  }
}

function save(): void {
  mkdirSync(dirname(values.resume), { recursive: true })
  writeFileSync(values.resume, `${JSON.stringify(progress, undefined, 2)}\n`)
}

function summarize(): void {
  console.log(`\n| what | done | goal |\n|---|---|---|`)
  for (const kind of chosen) console.log(`| ${kind.unit} | ${doneOf(kind)} | ${goalOf(kind)} |`)
  console.log("")
  for (const [what, { seconds = 0, cpuSeconds = 0, ...counts }] of Object.entries(progress.figures)) {
    const told = Object.entries(counts).map(([name, count]) => `${count} ${name}`)
    console.log(`${what}: ${told.join(", ")}; ${seconds.toFixed(0)} s in the tests, ${cpuSeconds.toFixed(0)} s of CPU`)
  }
  const failed = hasFailed ? "1 portion failed" : "no failure"
  console.log(`\n${progress.portions} portions in ${(progress.seconds / 60).toFixed(1)} minutes, ${failed}`)
}
