// The one harness. Every measurement is a scenario that runs in a child process of its own, so that no run warms the
// caches, the heap or the compiled code of another. The variants of a comparison take turns, in every round in another
// order, so that a machine that gets slower or faster meanwhile does so for all of them.

import { spawn } from "node:child_process"
import { mkdirSync, rmSync } from "node:fs"
import { join } from "node:path"
import type { Outcome } from "./child.ts"
import type { Report } from "./report.ts"
import type { Measured, ScenarioInput } from "./scenario.ts"
import { medianOf } from "./statistics.ts"

/** One line of DESIGN's figures: what `npm run bench -- <name>` selects. */
export interface Row {
  readonly name: string
  readonly title: string
  /** How long it should take on a quiet machine. */
  readonly estimateSeconds: (isQuick: boolean, minutes: number) => number
  /** False: runs in full only, and in a quick run only when it is named. */
  readonly hasQuickSize: boolean
  /** Runs only when it is named. */
  readonly isOnlyByName?: boolean
  readonly run: (context: Context) => Promise<Report>
}

export interface Context {
  readonly isQuick: boolean
  /** Where the stores' directories are made. */
  readonly directory: string
  /** How long a long run is to be. */
  readonly minutes: number
  /** How often each variant runs: what the user asked for, or the fallback. */
  readonly rounds: (fallback: number) => number
  readonly progress: (message: string) => void
}

/** One of the things that are compared. */
export interface Variant {
  readonly name: string
  readonly scenario: string
  readonly input?: Partial<ScenarioInput>
  /** A directory that outlives the run; default: a new one, which is removed afterwards. */
  readonly directory?: string
}

/** What the rounds of a variant gave. */
export class Series {
  readonly name: string
  readonly samples: Measured[] = []
  /** Why there is nothing: not available, or failed. */
  problem: string | undefined

  constructor(name: string) {
    this.name = name
  }

  get isMeasured(): boolean {
    return this.samples.length > 0
  }

  values(name: string): number[] {
    return this.samples.map((sample) => sample.numbers[name] ?? Number.NaN)
  }

  median(name: string): number {
    return medianOf(this.values(name))
  }

  max(name: string): number {
    return Math.max(...this.values(name))
  }

  text(name: string): string {
    return this.samples[0]?.texts?.[name] ?? ""
  }

  /** For a cell of a table: the problem without its reason. */
  get status(): string {
    return this.problem?.split(":")[0] ?? ""
  }
}

/** A run takes this long at most; then something hangs. */
const RUN_MS_MAX = 10 * 60_000

/** Runs all the variants, `rounds` times, in turn. A variant that fails is left out from then on, and says why. */
export async function interleave(
  context: Context,
  file: string,
  variants: readonly Variant[],
  rounds: number,
  show: (measured: Measured) => string = () => "",
): Promise<Series[]> {
  const series = variants.map((variant) => new Series(variant.name))
  for (let round = 0; round < rounds; round++) {
    for (let turn = 0; turn < variants.length; turn++) {
      const index = (turn + round) % variants.length
      const variant = variants[index] as Variant
      const target = series[index] as Series
      if (target.problem !== undefined) continue
      const outcome = await runVariant(context, file, variant, round)
      const place = `${file} ${round + 1}/${rounds} ${variant.name}`
      if (outcome.kind === "measured") {
        target.samples.push(outcome.measured)
        context.progress(`${place}: ${show(outcome.measured)}`)
      } else {
        target.problem = problemOf(outcome)
        context.progress(`${place}: ${target.problem}`)
      }
    }
  }
  return series
}

/** Runs one variant once. */
export async function runVariant(context: Context, file: string, variant: Variant, round: number): Promise<Outcome> {
  const directory = variant.directory ?? join(context.directory, `${file}-${round}`)
  mkdirSync(directory, { recursive: true })
  const input: ScenarioInput = {
    directory,
    peer: "orrery",
    mode: "",
    count: 0,
    callers: 1,
    batch: 1,
    round,
    ...variant.input,
  }
  try {
    return await runChild(file, variant.scenario, input)
  } finally {
    if (variant.directory === undefined) rmSync(directory, { recursive: true, force: true })
  }
}

function runChild(file: string, scenario: string, input: ScenarioInput): Promise<Outcome> {
  const entry = join(import.meta.dirname, "child.ts")
  const nodeArguments = ["--expose-gc", "--disable-warning=ExperimentalWarning", "--max-old-space-size=8192"]
  const child = spawn(process.execPath, [...nodeArguments, entry, file, scenario, JSON.stringify(input)], {
    // What a scenario prints is for the eyes of whoever waits; its outcome comes through the fourth.
    stdio: ["ignore", process.stderr, process.stderr, "pipe"],
  })
  const kill = (): void => void child.kill("SIGKILL")
  const timer = setTimeout(kill, RUN_MS_MAX)
  process.once("exit", kill)
  let text = ""
  child.stdio[3]?.on("data", (chunk: Buffer) => (text += chunk.toString()))
  return new Promise((resolve) => {
    child.on("error", (error) => resolve({ kind: "failed", reason: error.message }))
    child.on("close", (code, signal) => {
      clearTimeout(timer)
      process.off("exit", kill)
      if (text !== "") resolve(JSON.parse(text) as Outcome)
      else resolve({ kind: "failed", reason: `the process ended with ${String(signal ?? code)} and said nothing` })
    })
  })
}

/** How a run that gave nothing ended, in words. */
export function problemOf(outcome: Exclude<Outcome, { readonly kind: "measured" }>): string {
  return `${outcome.kind === "unavailable" ? "not available" : "failed"}: ${outcome.reason}`
}

/** What a report must say of its variants in words: why one is missing, what to know of another. */
export function notesOf(all: readonly Series[]): string[] {
  const notes = all.flatMap((series) => [
    ...(series.problem === undefined ? [] : [`${series.name}: ${series.problem}`]),
    ...(series.text("note") === "" ? [] : [series.text("note")]),
  ])
  return [...new Set(notes)]
}

/** What one variant is to another, round by round. */
export function ratiosOf(numerator: Series | undefined, denominator: Series | undefined, name: string): number[] {
  if (numerator === undefined || denominator === undefined) return []
  const below = denominator.values(name)
  return numerator
    .values(name)
    .map((value, round) => value / (below[round] ?? Number.NaN))
    .filter((ratio) => Number.isFinite(ratio))
}
