// Runs the tests once for each mutant in test/mutants, with that bug in the sources, and tells which test noticed it.
// `npm run test:mutants` runs all, `npm run test:mutants -- <names>` those; `--skip-baseline` leaves out the run without a
// bug, for whoever has just seen the tests pass; `--write` puts the table into docs/mutants.md. Ends with 1 when a bug was not noticed within
// its time, when a mutant's tests do not load its file, or when the same tests fail without a bug.
//
// Only a test that failed counts: a file that cannot be run at all proves nothing.

import { spawn } from "node:child_process"
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { delimiter, join, relative } from "node:path"
import { pathToFileURL } from "node:url"
import { parseArgs } from "node:util"
import type { Mutant } from "../test/mutants/mutant.ts"
import { mutants } from "../test/mutants/mutants.ts"
import { root } from "./run.ts"

/** A test that takes longer than this to notice is no test of it. */
const TIME_LIMIT_MS = 60_000
/** All tests of all mutants, without a bug. */
const BASELINE_LIMIT_MS = 20 * 60_000
const PARALLEL_COUNT = 2

interface Report {
  readonly success: boolean
  readonly testResults: readonly {
    readonly name: string
    readonly message: string
    readonly assertionResults: readonly { readonly status: string; readonly fullName: string }[]
  }[]
}

interface Outcome {
  /** Undefined where the run did not come to its end. */
  readonly report: Report | undefined
  readonly wasSeen: boolean
  readonly output: string
  readonly seconds: number
}

interface Verdict {
  readonly mutant: Mutant
  readonly seconds: number
  /** The test that noticed, as "file > name". */
  readonly killer: string | undefined
  /** What is wrong, where nothing noticed. */
  readonly problem: string
  readonly output: string
}

/** Runs vitest over the files, with the mutant if there is one. */
async function runTests(files: readonly string[], mutant: Mutant | undefined, limitMs: number): Promise<Outcome> {
  const folder = mkdtempSync(join(tmpdir(), "orrery-mutant-"))
  const reportFile = join(folder, "report.json")
  const seenFile = join(folder, "seen")
  const hook = pathToFileURL(join(root, "test", "mutants", "mutate-processes.ts")).href
  const env = {
    ...process.env,
    PATH: `${join(root, "node_modules", ".bin")}${delimiter}${process.env["PATH"] ?? ""}`,
    ORRERY_TEST_REPORT: reportFile,
    ...(mutant === undefined
      ? {}
      : { ORRERY_MUTANT: mutant.name, ORRERY_MUTANT_SEEN: seenFile, NODE_OPTIONS: `--import=${hook}` }),
  }
  const workers = mutant === undefined ? PARALLEL_COUNT : 1
  const only = mutant?.only === undefined ? [] : ["--testNamePattern", mutant.only]
  const startMs = performance.now()
  try {
    const output = await new Promise<string>((resolve, reject) => {
      const child = spawn("vitest", ["run", "--bail", "1", `--maxWorkers=${workers}`, ...only, ...files], {
        cwd: root,
        env,
        stdio: ["ignore", "pipe", "pipe"],
        // A group of its own: with it go the workers.
        detached: true,
      })
      let text = ""
      const timer = setTimeout(() => {
        if (child.pid !== undefined && child.exitCode === null) process.kill(-child.pid, "SIGKILL")
      }, limitMs)
      child.stdout.on("data", (data: Buffer) => (text += data.toString()))
      child.stderr.on("data", (data: Buffer) => (text += data.toString()))
      child.on("error", reject)
      child.on("close", () => {
        clearTimeout(timer)
        resolve(text)
      })
    })
    const report = existsSync(reportFile) ? (JSON.parse(readFileSync(reportFile, "utf8")) as Report) : undefined
    return { report, wasSeen: existsSync(seenFile), output, seconds: (performance.now() - startMs) / 1000 }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** The first test that failed, as "file > name". */
function failedTestOf(report: Report | undefined): string | undefined {
  for (const { name, assertionResults } of report?.testResults ?? []) {
    const failed = assertionResults.find(({ status }) => status === "failed")
    if (failed !== undefined) return `${relative(root, name)} > ${failed.fullName}`
  }
  return undefined
}

function problemOf({ report, wasSeen }: Outcome): string {
  if (!wasSeen) return "its tests do not load its file"
  if (report === undefined) return `nothing noticed within ${TIME_LIMIT_MS / 1000} s`
  return report.success ? "nothing noticed" : "its tests could not be run"
}

async function tryMutant(mutant: Mutant): Promise<Verdict> {
  const outcome = await runTests(mutant.tests, mutant, TIME_LIMIT_MS)
  const killer = outcome.wasSeen ? failedTestOf(outcome.report) : undefined
  const problem = killer === undefined ? problemOf(outcome) : ""
  return { mutant, killer, problem, output: outcome.output, seconds: outcome.seconds }
}

/** The tests of these mutants, each file once, must pass without any. */
async function checkBaseline(chosen: readonly Mutant[]): Promise<boolean> {
  const files = [...new Set(chosen.flatMap(({ tests }) => tests))].sort()
  console.log(`without a mutant: ${files.length} test files ...`)
  const outcome = await runTests(files, undefined, BASELINE_LIMIT_MS)
  const isGood = outcome.report?.success === true
  if (!isGood) console.error(outcome.output)
  console.log(`without a mutant: ${isGood ? "all pass" : "they do not pass"}, ${outcome.seconds.toFixed(1)} s\n`)
  return isGood
}

/** The table in the document, from its head to the end. */
function writeTable(): void {
  const path = join(root, "docs", "mutants.md")
  const text = readFileSync(path, "utf8")
  const head = "| mutant | the bug | killed by |\n|---|---|---|\n"
  const rows = verdicts.map(({ mutant, killer = "" }) => `| \`${mutant.name}\` | ${mutant.story} | ${killer} |`)
  writeFileSync(path, `${text.slice(0, text.indexOf(head))}${head}${rows.join("\n")}\n`)
}

function chosenMutants(names: readonly string[]): readonly Mutant[] {
  const unknown = names.filter((name) => !mutants.some((mutant) => mutant.name === name))
  if (unknown.length > 0) throw new TypeError(`there is no mutant ${unknown.join(", ")}`)
  return names.length === 0 ? mutants : mutants.filter(({ name }) => names.includes(name))
}

const { values, positionals } = parseArgs({
  options: { "skip-baseline": { type: "boolean" }, write: { type: "boolean" } },
  allowPositionals: true,
})
const chosen = chosenMutants(positionals)
const isBaselineGood = values["skip-baseline"] === true || (await checkBaseline(chosen))
const verdicts: Verdict[] = []
const waiting = [...chosen]
if (isBaselineGood) await Promise.all(Array.from({ length: PARALLEL_COUNT }, work))

async function work(): Promise<void> {
  for (let mutant = waiting.shift(); mutant !== undefined; mutant = waiting.shift()) {
    const verdict = await tryMutant(mutant)
    verdicts.push(verdict)
    const place = `${String(verdicts.length).padStart(3)}/${chosen.length}`
    const fate = verdict.killer ?? `NOT KILLED: ${verdict.problem}`
    console.log(`${place}  ${verdict.seconds.toFixed(1).padStart(5)} s  ${mutant.name}  ${fate}`)
  }
}

const survivors = verdicts.filter(({ killer }) => killer === undefined)
verdicts.sort((left, right) => chosen.indexOf(left.mutant) - chosen.indexOf(right.mutant))
console.log("\n| mutant | killed by | seconds |\n|---|---|---|")
for (const { mutant, killer = "nothing", seconds } of verdicts)
  console.log(`| ${mutant.name} | ${killer} | ${seconds.toFixed(1)} |`)
for (const { mutant, problem, output } of survivors) {
  console.error(
    `\n${mutant.name}: ${problem}\n${mutant.story}\nIn ${mutant.file}:\n- ${mutant.find}\n+ ${mutant.replace}`,
  )
  if (problem.includes("could not be run")) console.error(output)
}
if (values.write === true && positionals.length === 0 && survivors.length === 0 && isBaselineGood) writeTable()
console.log(`\nmutants: ${verdicts.length - survivors.length} of ${chosen.length} killed`)
process.exitCode = isBaselineGood && survivors.length === 0 ? 0 : 1
