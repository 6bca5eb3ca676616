// `crash.kill9`: starts a program again and again on the same directory, kills it at a moment of chance, also while it
// opens what the last one left, and checks after each kill that nothing acknowledged is missing.
//
// A killed process loses what it had in memory and nothing that the operating system has: this finds acknowledgements that
// come too early, torn files and recoveries that fail. What a loss of power takes, `crash.trace` and `crash.assert` find.

import { spawn } from "node:child_process"
import { once } from "node:events"
import { mkdir, mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join, resolve } from "node:path"
import { fileURLToPath } from "node:url"
import { nodePlatform } from "../platform/node/node-platform.ts"
import { SimulatedRandom } from "../simulation/simulated-random.ts"
import { shownText } from "./plain-data.ts"
import { ProcessCrashFound } from "./process-crash-found.ts"
import { ProtocolReader } from "./process-protocol.ts"
import { freshSeed } from "./process-seed.ts"

export interface KillCycle {
  readonly directory: string
  /** From 0. */
  readonly cycle: number
  /** Of all cycles so far. */
  readonly acknowledged: readonly unknown[]
}

export interface KillCheck extends KillCycle {
  /** Begun and not acknowledged, in this cycle or an earlier one: each may be there or not. */
  readonly inFlight: readonly unknown[]
}

export interface KillNineOptions {
  /** The module that is run: a path, or a URL. It gets the directory as its first argument. */
  readonly entry: string | URL
  /** Further arguments, or what makes them for a cycle. */
  readonly args?: readonly string[] | ((cycle: KillCycle) => readonly string[])
  /** Default 50. */
  readonly cycles?: number
  /** Opens what the kill left, and throws where something acknowledged is missing. Closes it again. */
  readonly verify: (check: KillCheck) => unknown
  /** Default: a new temporary one, which goes when nothing was found. */
  readonly directory?: string
  /** Decides when kills come, as far as a clock lets it. Default: another one each time. */
  readonly seed?: number
  /** How long after its first acknowledgement a program is killed, in milliseconds. Default 0 to 100. */
  readonly minMs?: number
  readonly maxMs?: number
  /** Told after every cycle. */
  readonly onProgress?: (progress: KillProgress) => void
  readonly signal?: AbortSignal
}

export interface KillProgress {
  readonly cycles: number
  /** Acknowledgements that arrived. */
  readonly acknowledged: number
  /** Kills between the program's "opening" (else its start) and its "opened" (else its first acknowledgement). */
  readonly killedDuringOpen: number
  /** Kills before a program that says "opening" had said it: nothing was tested by those. */
  readonly killedBeforeOpen: number
  /** Programs that ended before the kill, without a complaint. */
  readonly endedByThemselves: number
  readonly elapsedMs: number
}

export interface KillReport extends KillProgress {
  readonly seed: number
}

/** What chance says of a cycle. */
interface Plan {
  /** While the store opens; else after an acknowledgement. */
  readonly isEarly: boolean
  /** From 0 to 1. */
  readonly moment: number
}

interface Victim {
  readonly exitCode: number | null
  readonly complaint: string
  readonly reader: ProtocolReader
}

const CYCLES_DEFAULT = 50
const MAX_MS_DEFAULT = 100
/** One cycle in so many is killed while it opens. */
const EARLY_ONE_IN = 3
/** How long a program may take to its first word. */
const SILENCE_MS_MAX = 60_000
const COMPLAINT_LENGTH_MAX = 2_000

/**
 * Kills the program again and again; resolves when every check held.
 *
 * The program says on its standard output what was acknowledged (`acknowledge`, or lines "acknowledged …"); what did not
 * arrive does not count. It should run until it is killed.
 * Fails with: ProcessCrashFound, also where the program does not start again; TypeError for wrong options; the signal's
 * reason. The directory stays then.
 */
export async function kill9(options: KillNineOptions): Promise<KillReport> {
  checkOptions(options)
  const { cycles = CYCLES_DEFAULT, seed = freshSeed(), verify } = options
  const signal = options.signal ?? new AbortController().signal
  const startedMs = nodePlatform.clock.monotonicMs()
  const directory = resolve(options.directory ?? (await mkdtemp(join(tmpdir(), "orrery-kill-9-"))))
  await mkdir(directory, { recursive: true })
  const random = new SimulatedRandom(seed)
  const killer = new Killer(options, directory, signal)
  const counts = { cycles: 0, killedDuringOpen: 0, killedBeforeOpen: 0, endedByThemselves: 0 }
  const progress = (): KillProgress => ({
    ...counts,
    acknowledged: killer.acknowledged.length,
    elapsedMs: nodePlatform.clock.monotonicMs() - startedMs,
  })
  for (let cycle = 0; cycle < cycles; cycle++) {
    signal.throwIfAborted()
    // The first tells how long opening takes.
    const plan = { isEarly: random.chance(EARLY_ONE_IN) && cycle > 0, moment: random.below(1_000_000) / 1_000_000 }
    const { reader, exitCode, complaint } = await killer.run(cycle, plan)
    const { acknowledged } = killer
    const failed = (what: string, reason: unknown): ProcessCrashFound => {
      const message = [
        `cycle ${cycle}: ${what} (seed ${seed})`,
        `${acknowledged.length} acknowledged, ${reader.acknowledged.length} of them in this cycle`,
        `directory: ${directory}`,
      ].join("\n")
      return new ProcessCrashFound(message, { seed, directory, acknowledged, crash: `cycle ${cycle}` }, reason)
    }
    if (exitCode !== null && exitCode !== 0) {
      throw failed(`the program ended by itself with ${exitCode}: ${complaint.trim()}`, undefined)
    }
    try {
      await verify({ directory, cycle, acknowledged, inFlight: killer.inFlight() })
    } catch (reason) {
      throw failed(`the check fails: ${reason instanceof Error ? reason.message : shownText(reason)}`, reason)
    }
    const isOpened = reader.isOpened || reader.acknowledged.length > 0
    counts.cycles++
    if (exitCode === 0) counts.endedByThemselves++
    else if (!isOpened && !reader.isOpening && killer.saysOpening) counts.killedBeforeOpen++
    else if (!isOpened) counts.killedDuringOpen++
    options.onProgress?.(progress())
  }
  if (options.directory === undefined) await rm(directory, { recursive: true, force: true })
  return { ...progress(), seed }
}

class Killer {
  readonly acknowledged: unknown[] = []
  /** By their JSON: what was begun and not acknowledged, and all that was acknowledged. */
  readonly #inFlight = new Map<string, unknown>()
  readonly #ended = new Set<string>()
  readonly #options: KillNineOptions
  readonly #directory: string
  readonly #signal: AbortSignal
  /** Whether the program says when it begins to open. */
  saysOpening = false
  /** How long the program took from its "opening", else its start, to be open, when that was last seen. */
  #openMs = 0

  constructor(options: KillNineOptions, directory: string, signal: AbortSignal) {
    this.#options = options
    this.#directory = directory
    this.#signal = signal
  }

  inFlight(): readonly unknown[] {
    return [...this.#inFlight.values()]
  }

  async run(cycle: number, plan: Plan): Promise<Victim> {
    const { entry, args = [], minMs = 0, maxMs = Math.max(minMs, MAX_MS_DEFAULT) } = this.#options
    const [directory, acknowledged] = [this.#directory, this.acknowledged]
    const further = typeof args === "function" ? args({ directory, cycle, acknowledged }) : args
    const path = entry instanceof URL ? fileURLToPath(entry) : entry
    const { clock } = nodePlatform
    const startedMs = clock.monotonicMs()
    const child = spawn(process.execPath, [path, directory, ...further], { stdio: ["ignore", "pipe", "pipe"] })
    const kill = (): void => {
      child.kill("SIGKILL")
    }
    const reader = new ProtocolReader()
    let complaint = ""
    let isSilent = false
    let timer = clock.after(SILENCE_MS_MAX, () => {
      isSilent = true
      kill()
    })
    const killIn = (delayMs: number): void => {
      timer.cancel()
      timer = clock.after(delayMs, kill, true)
    }
    // Where the program does not say when it opens, most of the time to its first acknowledgement is its start.
    if (plan.isEarly && !this.saysOpening) killIn(this.#openMs * (0.4 + 0.7 * plan.moment))
    let [wasOpening, wasOpened, wasBusy] = [false, false, false]
    let openingMs = startedMs
    child.stdout.on("data", (bytes: Buffer) => {
      reader.take(bytes)
      const nowMs = clock.monotonicMs()
      if (reader.isOpening && !wasOpening) {
        wasOpening = true
        this.saysOpening = true
        openingMs = nowMs
        if (plan.isEarly) killIn(this.#openMs * 1.2 * plan.moment)
      }
      if (!wasOpened && (reader.isOpened || reader.acknowledged.length > 0)) {
        wasOpened = true
        this.#openMs = nowMs - openingMs
      }
      if (!wasBusy && reader.acknowledged.length > 0) {
        wasBusy = true
        if (!plan.isEarly) killIn(minMs + plan.moment * (maxMs - minMs))
      }
    })
    child.stderr.on("data", (bytes: Buffer) => {
      complaint = (complaint + bytes.toString()).slice(-COMPLAINT_LENGTH_MAX)
    })
    this.#signal.addEventListener("abort", kill, { once: true })
    try {
      // Closed: all that it had written before it ended was read.
      const [exitCode] = (await once(child, "close")) as [number | null]
      this.#signal.throwIfAborted()
      if (isSilent) throw new Error(`crash kill9: the program said nothing for ${SILENCE_MS_MAX} ms: ${complaint}`)
      this.#note(reader)
      return { exitCode, complaint, reader }
    } finally {
      timer.cancel()
      this.#signal.removeEventListener("abort", kill)
    }
  }

  /** Adds what a program has said to what those before it said, at the cost of the former alone. */
  #note({ acknowledged, begun }: ProtocolReader): void {
    for (const value of acknowledged) {
      this.acknowledged.push(value)
      const text = JSON.stringify(value)
      this.#ended.add(text)
      this.#inFlight.delete(text)
    }
    for (const value of begun) {
      const text = JSON.stringify(value)
      if (!this.#ended.has(text)) this.#inFlight.set(text, value)
    }
  }
}

function checkOptions({ entry, verify, cycles = 1, seed = 0, minMs = 0, maxMs }: KillNineOptions): void {
  if (!(typeof entry === "string" || entry instanceof URL)) throw new TypeError("crash kill9: entry is a path or a URL")
  if (typeof verify !== "function") throw new TypeError("crash kill9: verify is a function")
  if (!(Number.isInteger(cycles) && cycles >= 1)) throw new TypeError("crash kill9: cycles is a whole number from 1 on")
  if (!Number.isSafeInteger(seed)) throw new TypeError("crash kill9: seed is a safe integer")
  if (!(minMs >= 0 && (maxMs === undefined || maxMs >= minMs))) {
    throw new TypeError("crash kill9: minMs and maxMs are milliseconds, minMs from 0 on and not above maxMs")
  }
}
