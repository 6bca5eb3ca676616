// Asks the reading process what is left, and starts another one where that dies of the question or does not come back.

import { spawn } from "node:child_process"
import type { ChildProcess } from "node:child_process"
import { createInterface } from "node:readline"
import { join } from "node:path"

/** How much is missing; or why the store does not come up. */
export type Verdict = { readonly lost: number; readonly problem?: undefined } | { readonly problem: string }

/** How often something was tried, and what came of it. */
export interface Score {
  tried: number
  /** Something acknowledged was missing, or the store did not come up. */
  lossy: number
  /** The store did not come up. */
  unopened: number
  /** Acknowledged records that were missing, in the worst case. */
  lostMost: number
  /** The first reason. */
  problem: string | undefined
}

const ANSWER_MS_MAX = 20_000

export function emptyScore(): Score {
  return { tried: 0, lossy: 0, unopened: 0, lostMost: 0, problem: undefined }
}

export function addVerdict(score: Score, verdict: Verdict): void {
  score.tried++
  if (verdict.problem !== undefined) {
    score.unopened++
    score.lossy++
    score.problem ??= verdict.problem
  } else if (verdict.lost > 0) {
    score.lossy++
    score.lostMost = Math.max(score.lostMost, verdict.lost)
  }
}

export class Judge {
  readonly #store: string
  #reader: ChildProcess | undefined
  #answered: ((verdict: Verdict) => void) | undefined

  constructor(store: string) {
    this.#store = store
  }

  async ask(directory: string, acknowledged: readonly unknown[]): Promise<Verdict> {
    const reader = (this.#reader ??= this.#start())
    const answer = Promise.withResolvers<Verdict>()
    this.#answered = answer.resolve
    const timer = setTimeout(() => reader.kill("SIGKILL"), ANSWER_MS_MAX)
    reader.stdin?.write(`${JSON.stringify({ store: this.#store, directory, acknowledged })}\n`)
    try {
      return await answer.promise
    } finally {
      clearTimeout(timer)
    }
  }

  close(): void {
    this.#answered = undefined
    this.#reader?.kill("SIGKILL")
    this.#reader = undefined
  }

  #start(): ChildProcess {
    const path = join(import.meta.dirname, "durability-reader.ts")
    const reader = spawn(process.execPath, [path], { stdio: ["pipe", "pipe", "ignore"] })
    // What cannot be written any more shows as its end.
    reader.stdin.on("error", () => reader.kill("SIGKILL"))
    createInterface({ input: reader.stdout }).on("line", (line) => this.#answered?.(JSON.parse(line) as Verdict))
    reader.once("close", (code, signal) => {
      if (this.#reader === reader) this.#reader = undefined
      this.#answered?.({ problem: `opening it ends the process (${signal ?? code})` })
    })
    return reader
  }
}
