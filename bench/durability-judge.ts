// Asks the reading process what is left, and starts another one where that dies of the question or does not come back.
//
// A store may ask the system whether it was started anew since the last write: lmdb falls back to what it had synced only
// then. So after a power failure the reader sees another boot id than the writer did, in a mount namespace of its own,
// where that can be made (root on Linux).

import { spawn, spawnSync } from "node:child_process"
import type { ChildProcess } from "node:child_process"
import { writeFileSync } from "node:fs"
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
const BOOT_ID = "/proc/sys/kernel/random/boot_id"
const OTHER_BOOT = `mount --bind "$0" ${BOOT_ID} && exec "$@"`

/** Writes another boot id to the file; undefined where a reader could not be shown it. */
export function otherBoot(file: string): string | undefined {
  writeFileSync(file, "00000000-0000-4000-8000-000000000001\n")
  const probe = spawnSync("unshare", ["-m", "sh", "-c", OTHER_BOOT, file, "true"], { stdio: "ignore" })
  return probe.status === 0 ? file : undefined
}

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
  readonly #bootFile: string | undefined
  #reader: ChildProcess | undefined
  #answered: ((verdict: Verdict) => void) | undefined

  /** `bootFile`: a file with the boot id that the reader is to see; without one it sees that of the system. */
  constructor(store: string, bootFile?: string) {
    this.#store = store
    this.#bootFile = bootFile
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
    const command =
      this.#bootFile === undefined
        ? [process.execPath, path]
        : ["unshare", "-m", "sh", "-c", OTHER_BOOT, this.#bootFile, process.execPath, path]
    const reader = spawn(command[0] as string, command.slice(1), { stdio: ["pipe", "pipe", "ignore"] })
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
