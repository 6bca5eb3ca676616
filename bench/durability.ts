// `npm run bench:durability`: what this store and others lose of what they acknowledged, on this machine: every write is
// awaited, the settings are each store's own. Four questions: how many syncs 100 writes make, what kill -9 takes, in how
// many of the states that a power failure could leave something is missing, and what power cuts take on ext4 and XFS.
//
//   npm run bench:durability                    about ten minutes
//   npm run bench:durability -- --quick         about two: to see that it works
//   npm run bench:durability -- nedb lowdb      these stores
//   npm run bench:durability -- --write         also to docs/durability-of-peers.md
//   npm run bench:durability -- --seed 7        decides kills, states and cuts; default 1

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { parseArgs } from "node:util"
import { kill9 } from "../src/testing/kill-nine.ts"
import { ProcessCrashFound } from "../src/testing/process-crash-found.ts"
import { memoryDirectory } from "../src/testing/system-trace.ts"
import { recordProgram, traceUnavailable } from "../src/testing/system-trace-run.ts"
import type { RecordedProgram } from "../src/testing/system-trace-run.ts"
import { materialise, tracedStates } from "../src/testing/system-trace-states.ts"
import { powerCutsUnavailable } from "../test/processes/power-box.ts"
import type { FileSystemName } from "../test/processes/power-box.ts"
import { addVerdict, emptyScore, Judge, otherBoot } from "./durability-judge.ts"
import type { Score } from "./durability-judge.ts"
import { PowerBench } from "./durability-power.ts"
import { durabilityStores } from "./durability-stores.ts"
import { installPeers } from "./install-peers.ts"
import { describeMachine, takeBenchmarkLock } from "./machine.ts"
import { asMarkdown, asText } from "./report.ts"
import type { Report } from "./report.ts"

interface Sizes {
  readonly kills: number
  readonly states: number
  readonly cuts: number
  /** A question to one store that takes longer ends early, and tells how far it came. */
  readonly questionMsMax: number
}

interface Answers {
  readonly name: string
  readonly version: string
  readonly settings: string
  readonly syncs: number | undefined
  readonly kills: Score
  readonly posix: Score
  readonly journal: Score
  readonly cuts: Readonly<Record<FileSystemName, Score>>
  readonly notes: readonly string[]
}

const FULL: Sizes = { kills: 20, states: 500, cuts: 8, questionMsMax: 11_000 }
const QUICK: Sizes = { kills: 4, states: 60, cuts: 2, questionMsMax: 4_000 }
const WRITES = 100
const writer = join(import.meta.dirname, "durability-writer.ts")

class Bench {
  readonly #folder: string
  readonly #sizes: Sizes
  readonly #seed: number
  readonly #boxes: Partial<Record<FileSystemName, PowerBench>>

  readonly #bootFile: string | undefined

  constructor(folder: string, sizes: Sizes, seed: number, boxes: Partial<Record<FileSystemName, PowerBench>>) {
    this.#bootFile = otherBoot(join(folder, "boot_id"))
    this.#folder = folder
    this.#sizes = sizes
    this.#seed = seed
    this.#boxes = boxes
  }

  async answersOf(name: string, version: string, settings: string): Promise<Answers> {
    // The machine goes on after a kill, and starts anew after a loss of power.
    const killJudge = new Judge(name)
    const judge = new Judge(name, this.#bootFile)
    try {
      const notes: string[] = []
      const kills = await this.#kill(name, killJudge)
      const posix = await this.#trace(name, judge, "posix")
      const journal = await this.#trace(name, judge, "ext4")
      const syncs = posix.recorded === undefined ? undefined : syncsOf(posix.recorded)
      notes.push(...(posix.recorded?.notes ?? []))
      const cuts = { ext4: await this.#cut(name, judge, "ext4"), xfs: await this.#cut(name, judge, "xfs") }
      return { name, version, settings, syncs, kills, posix: posix.score, journal: journal.score, cuts, notes }
    } finally {
      killJudge.close()
      judge.close()
    }
  }

  async #kill(name: string, judge: Judge): Promise<Score> {
    const score = emptyScore()
    const endMs = performance.now() + this.#sizes.questionMsMax
    // After a loss another directory: what is gone once would be counted in every cycle.
    for (let round = 0; score.tried < this.#sizes.kills && performance.now() < endMs; round++) {
      const directory = this.#fresh(`kill-${round}`)
      const before = score.tried
      const stop = new AbortController()
      const run = kill9({
        entry: writer,
        directory,
        args: ({ cycle }) => [name, String(cycle * 1_000_000), "1000000"],
        cycles: this.#sizes.kills - score.tried,
        seed: this.#seed + round,
        maxMs: 60,
        signal: stop.signal,
        verify: async ({ directory: left, acknowledged }) => {
          const verdict = await judge.ask(left, acknowledged)
          // A native store keeps its files open for as long as the process lives.
          judge.close()
          addVerdict(score, verdict)
          if (verdict.problem !== undefined || verdict.lost > 0) throw new Error(verdict.problem ?? "lost")
          if (performance.now() > endMs) stop.abort()
        },
      })
      await run.catch((error: unknown) => {
        if (error instanceof ProcessCrashFound && error.cause === undefined) {
          addVerdict(score, { problem: error.message.split("\n")[0] ?? "" })
        } else if (!(error instanceof ProcessCrashFound) && !stop.signal.aborted) throw error
      })
      rmSync(directory, { recursive: true, force: true })
      if (score.tried === before) break
    }
    return score
  }

  async #trace(
    name: string,
    judge: Judge,
    persistence: "posix" | "ext4",
  ): Promise<{ readonly score: Score; readonly recorded?: RecordedProgram }> {
    const score = emptyScore()
    if (traceUnavailable() !== undefined) return { score }
    const directory = this.#fresh("traced")
    const recorded = await recordProgram({
      command: [process.execPath, writer, directory, name, "0", String(WRITES)],
      directory,
      output: join(this.#folder, "strace.txt"),
      hasJournal: persistence !== "posix",
      signal: AbortSignal.timeout(60_000),
    })
    if (recorded.exitCode !== 0) throw new Error(`${name} cannot be traced: ${recorded.complaint}`)
    const endMs = performance.now() + this.#sizes.questionMsMax
    const states = mkdtempSync(join(memoryDirectory(), "orrery-durability-"))
    try {
      for (const traced of tracedStates(recorded, { seed: this.#seed, limit: this.#sizes.states, persistence })) {
        if (performance.now() > endMs) break
        // A directory of its own for each: a store in the same process may still hold the last one.
        const place = join(states, String(score.tried))
        await materialise(traced.state, place)
        addVerdict(score, await judge.ask(place, traced.acknowledged))
        rmSync(place, { recursive: true, force: true })
      }
    } finally {
      judge.close()
      rmSync(states, { recursive: true, force: true })
    }
    return { score, recorded }
  }

  async #cut(name: string, judge: Judge, fileSystem: FileSystemName): Promise<Score> {
    const score = emptyScore()
    const box = this.#boxes[fileSystem]
    const endMs = performance.now() + this.#sizes.questionMsMax
    for (let cut = 0; box !== undefined && cut < this.#sizes.cuts && performance.now() < endMs; cut++) {
      // From a few acknowledgements to a few hundred.
      addVerdict(score, await box.cut(name, 5 + ((cut * 97 + this.#seed * 31) % 300), judge))
    }
    return score
  }

  #fresh(name: string): string {
    const directory = join(this.#folder, name)
    rmSync(directory, { recursive: true, force: true })
    mkdirSync(directory, { recursive: true })
    return directory
  }
}

/** Syncs between the opening and the last acknowledgement. */
function syncsOf({ syncs }: RecordedProgram): number {
  return syncs.filter(({ isOpened, acknowledged }) => isOpened && acknowledged < WRITES).length
}

function reportOf(answers: readonly Answers[], sizes: Sizes, skipped: readonly string[]): Report {
  const rows = answers.map(({ name, version, settings, syncs, kills, posix, journal, cuts }) => [
    `${name} ${version}`,
    settings,
    syncs === undefined ? "not measured" : String(syncs),
    ...[kills, journal, posix, cuts.ext4, cuts.xfs].map(shown),
  ])
  const problems = answers.flatMap((row) =>
    [row.kills, row.journal, row.posix, row.cuts.ext4, row.cuts.xfs]
      .filter(({ problem }) => problem !== undefined)
      .slice(0, 1)
      .map(({ problem }) => `${row.name} did not come up, for example: ${printable(problem ?? "")}`),
  )
  const headings = ["kill -9", "crash states, journal", "crash states, POSIX", "power cuts, ext4", "power cuts, XFS"]
  return {
    title: "What is lost of what was acknowledged",
    setting: [
      "Every write awaited, one after the other, with the settings named. A cell says in how many of so many tries",
      "something acknowledged was missing; ↯: in how many of them the store did not come up at all; most: how many",
      `records were missing in the worst. Syncs: of ${WRITES} awaited writes. Crash states: of the system calls of`,
      `${WRITES} writes, about ${sizes.states} or as many as time allowed; by POSIX alone, and on a file system that`,
      "journals names and sizes. After a loss of power the reader sees another boot id, as after a real one.",
    ].join(" "),
    tables: [{ header: ["store", "settings", "syncs", ...headings], rows }],
    figures: [],
    notes: [...skipped, ...problems, ...answers.flatMap(({ name, notes }) => notes.map((note) => `${name}: ${note}`))],
  }
}

function shown({ tried, lossy, unopened, lostMost }: Score): string {
  if (tried === 0) return "not measured"
  const more = [...(unopened > 0 ? [`↯ ${unopened}`] : []), ...(lostMost > 0 ? [`most ${lostMost}`] : [])]
  return `${lossy} of ${tried}${more.length > 0 ? ` (${more.join(", ")})` : ""}`
}

/** Errors quote what they found, zeros among it. */
function printable(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, "·").slice(0, 120)
}

function say(message: string): void {
  process.stderr.write(`${(performance.now() / 1000).toFixed(0).padStart(5)} s  ${message}\n`)
}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      quick: { type: "boolean", default: false },
      write: { type: "boolean", default: false },
      seed: { type: "string", default: "1" },
    },
  })
  const names = positionals.length > 0 ? positionals : Object.keys(durabilityStores)
  const unknown = names.filter((name) => !Object.hasOwn(durabilityStores, name))
  if (unknown.length > 0) throw new TypeError(`there is no store "${unknown.join('", "')}"`)
  const sizes = values.quick ? QUICK : FULL
  const problem = installPeers(say)
  const skipped = [problem, traceUnavailable(), powerCutsUnavailable()].filter((line) => line !== undefined)
  for (const line of skipped) say(`not measured: ${line}`)
  const release = await takeBenchmarkLock(say)
  const folder = mkdtempSync(join(tmpdir(), "orrery-durability-"))
  const boxes: Partial<Record<FileSystemName, PowerBench>> = {}
  const stop = new AbortController()
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => stop.abort(signal))
  const answers: Answers[] = []
  try {
    if (powerCutsUnavailable() === undefined) {
      for (const fileSystem of ["ext4", "xfs"] as const) boxes[fileSystem] = await PowerBench.make(folder, fileSystem)
    }
    const bench = new Bench(folder, sizes, Number(values.seed), boxes)
    for (const name of names) {
      // What was measured by then is told all the same.
      if (stop.signal.aborted) {
        skipped.push(`${name} was not measured: ended by ${String(stop.signal.reason)}`)
        continue
      }
      const store = durabilityStores[name]
      if (store === undefined) continue
      try {
        say(name)
        answers.push(await bench.answersOf(name, store.version(), store.settings))
      } catch (error) {
        skipped.push(
          `${name} is not available: ${error instanceof Error ? error.message.split("\n")[0] : String(error)}`,
        )
      }
    }
  } finally {
    for (const box of Object.values(boxes)) await box.close()
    rmSync(folder, { recursive: true, force: true })
    release()
  }
  const command = `npm run bench:durability${process.argv.length > 2 ? ` -- ${process.argv.slice(2).join(" ")}` : ""}`
  const head = [`${new Date().toISOString().slice(0, 10)}`, `\`${command}\``, describeMachine(tmpdir())]
  const report = reportOf(answers, sizes, skipped)
  for (const line of head) console.log(line)
  console.log(asText(report))
  if (!values.write) return
  const path = join(import.meta.dirname, "..", "docs", "durability-of-peers.md")
  const text = ["# Durability of this store and others", head.map((line) => `- ${line}`).join("\n"), asMarkdown(report)]
  writeFileSync(path, `${text.join("\n\n")}\n`)
  say(`written: ${path}`)
}

await main()
