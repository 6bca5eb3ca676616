// The tests whose worth grows with their number, run for as long as one likes: `npm run test:deep`, or
// `npm run test:deep -- --states 50000000 --minutes 60`. Everything else is scaled with the crash states. Runs in
// portions, two at a time, each from a seed of its own that the default run does not use; what is done is kept in a file,
// and the next call goes on from there: `--resume <file>` names another one, `--only <name>` picks, `--afresh` forgets.
//
// Ends with 1 at the first portion that fails; the same portion comes again then. What the budget, Ctrl-C or a kill cuts
// off does not count.

import { spawn } from "node:child_process"
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs"
import { availableParallelism, cpus, tmpdir } from "node:os"
import { delimiter, dirname, join } from "node:path"
import { parseArgs } from "node:util"
import type { Figures } from "../test/figures.ts"
import { kinds, RELEASE_STATES } from "./deep-kinds.ts"
import type { Kind } from "./deep-kinds.ts"
import { root } from "./run.ts"

/** Portions that run at a time. */
const LANES_MAX = 2

/** A portion that must come again: it failed. */
interface Portion {
  readonly kind: string
  readonly portion: number
}

/** A portion that is about to be run. */
interface Task {
  readonly kind: Kind
  readonly portion: number
  readonly count: number
  /** Of a kind in parts. */
  readonly part: number | undefined
}

/** What is kept between calls. */
interface Progress {
  /** Portions begun so far; decides the next seed. */
  portions: number
  /** Of all portions together; they run side by side. */
  seconds: number
  /** Units by kind. */
  done: Record<string, number>
  /** Parts that are done, by kind. */
  parts?: Record<string, number[]>
  /** Sums of what the tests told, by what they count. */
  figures: Record<string, Record<string, number>>
  again?: Portion[]
  /** Calls of this program, and the seconds that they took. */
  calls?: number
  elapsedSeconds?: number
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
progress.calls = (progress.calls ?? 0) + 1
const again = (progress.again ??= [])
const parts = (progress.parts ??= {})
const elapsedBefore = progress.elapsedSeconds ?? 0
const startMs = performance.now()

const skipped = new Map<string, string>()
for (const { name, unavailable } of chosen) {
  const why = unavailable?.()
  if (why !== undefined) skipped.set(name, why)
}
for (const [name, why] of skipped) console.log(`${name}: skipped: ${why}`)

let hasFailed = false
let isStopping = false
const underway = new Set<Task>()
const running = new Set<number>()
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.once(signal, () => {
    isStopping = true
    for (const pid of running) process.kill(-pid, "SIGKILL")
  })
}
await Promise.all(Array.from({ length: Math.min(LANES_MAX, availableParallelism()) }, lane))
summarize()
process.exitCode = hasFailed ? 1 : 0

/** One portion after the other. */
async function lane(): Promise<void> {
  while (!hasFailed && !isStopping) {
    const task = nextTask()
    if (task === undefined) return
    const { kind, portion } = task
    underway.add(task)
    const outcome = await runPortion(task)
    underway.delete(task)
    if (outcome === "cut off") console.log(`${kind.name}: cut off, does not count`)
    if (outcome === "failed") {
      hasFailed = true
      again.push({ kind: kind.name, portion })
    }
    save()
  }
}

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

/** What failed before; else of the kind that is the farthest from its goal, of those that the time left is enough for. */
function nextTask(): Task | undefined {
  const leftMs = deadlineMs - performance.now()
  if (leftMs <= 0) return undefined
  const tasksOf = (kind: Kind): Task[] => [...underway].filter((task) => task.kind === kind)
  const begunOf = (kind: Kind): number => tasksOf(kind).reduce((sum, { count }) => sum + count, doneOf(kind))
  const [kind] = chosen
    .filter((each) => !skipped.has(each.name) && begunOf(each) < goalOf(each))
    .filter(({ minutes = 0 }) => leftMs > minutes * 60_000)
    .sort((left, right) => {
      const [first, second] = [left, right].map(({ name }) => (again.some((each) => each.kind === name) ? 0 : 1))
      return (first ?? 0) - (second ?? 0) || begunOf(left) / goalOf(left) - begunOf(right) / goalOf(right)
    })
  if (kind === undefined) return undefined
  const place = again.findIndex((each) => each.kind === kind.name)
  const portion = place < 0 ? progress.portions++ : (again.splice(place, 1)[0]?.portion ?? 0)
  const taken = new Set([...(parts[kind.name] ?? []), ...tasksOf(kind).map((task) => task.part)])
  const part = kind.part === undefined ? undefined : range(kind.goal).find((number) => !taken.has(number))
  return { kind, portion, part, count: Math.min(kind.portion, goalOf(kind) - begunOf(kind)) }
}

function seedOf(portion: number): number {
  return FIRST_SEED + (portion % SEED_COUNT) * SEED_DISTANCE
}

function range(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index)
}

async function runPortion({ kind, portion, count, part }: Task): Promise<"done" | "failed" | "cut off"> {
  const seed = seedOf(portion)
  const folder = mkdtempSync(join(tmpdir(), "orrery-deep-"))
  const figuresFile = join(folder, "figures")
  const own: Record<string, string> = { ...kind.environment, ORRERY_SEED: String(seed) }
  if (kind.variable !== undefined) own[kind.variable] = String(count)
  if (kind.part !== undefined && part !== undefined) own[kind.part] = `${part}/${kind.goal}`
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
    progress.seconds += seconds
    progress.done[kind.name] = doneOf(kind) + count
    if (part !== undefined) (parts[kind.name] ??= []).push(part)
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
    const child = spawn("vitest", ["run", "--bail", "1", "--maxWorkers=1", "--testTimeout=7200000", ...files], {
      cwd: root,
      env: { ...process.env, ...environment, PATH: path },
      stdio: ["ignore", "pipe", "pipe"],
      // A group of its own: with it go the workers.
      detached: true,
    })
    const { pid } = child
    if (pid !== undefined) running.add(pid)
    let output = ""
    let isCutOff = false
    const timer = setTimeout(
      () => {
        isCutOff = true
        if (pid !== undefined) process.kill(-pid, "SIGKILL")
      },
      Math.max(0, deadlineMs - performance.now()),
    )
    child.stdout.on("data", (data: Buffer) => (output += data.toString()))
    child.stderr.on("data", (data: Buffer) => (output += data.toString()))
    child.on("error", reject)
    child.on("close", (status) => {
      clearTimeout(timer)
      if (pid !== undefined) running.delete(pid)
      resolve({ status: isCutOff || isStopping ? undefined : status, output })
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
  progress.elapsedSeconds = elapsedBefore + (performance.now() - startMs) / 1000
  mkdirSync(dirname(values.resume), { recursive: true })
  // Whole or not at all: this program may be killed, too.
  writeFileSync(`${values.resume}.new`, `${JSON.stringify(progress, undefined, 2)}\n`)
  renameSync(`${values.resume}.new`, values.resume)
}

/** In the form of docs/testing-figures.md. */
function summarize(): void {
  const { elapsedSeconds = 0, calls = 1 } = progress
  const [processor] = cpus()
  console.log(
    `\n\`npm run test:deep\`, ${new Date().toISOString().slice(0, 10)}, Node ${process.versions.node}, ` +
      `${availableParallelism()} cores (${processor?.model.trim() ?? "unknown"}): ` +
      `${(elapsedSeconds / 60).toFixed(1)} minutes in ${calls} ${calls === 1 ? "call" : "calls"}, ` +
      `${(progress.seconds / 60).toFixed(1)} minutes of portions, ${hasFailed ? "1 portion failed" : "no failure"}.\n`,
  )
  console.log("| what | done | goal |\n|---|---|---|")
  for (const kind of chosen) {
    const why = skipped.get(kind.name)
    const done = why === undefined ? doneOf(kind).toLocaleString("en") : `skipped: ${why}`
    console.log(`| ${kind.unit} | ${done} | ${goalOf(kind).toLocaleString("en")} |`)
  }
  console.log("\n```")
  for (const [what, { seconds = 0, cpuSeconds = 0, ...counts }] of Object.entries(progress.figures)) {
    const told = Object.entries(counts).map(([name, count]) => `${count} ${name}`)
    console.log(`${what}: ${told.join(", ")}; ${seconds.toFixed(0)} s in the tests, ${cpuSeconds.toFixed(0)} s of CPU`)
  }
  console.log("```")
}
