// `crash.trace`: every state that a loss of power could have left of a real program, of any store, native ones too. The
// program runs once under strace; its system calls are the trace; each crash state is put into a real directory, and
// checked there against what the program had acknowledged by then.

import { accessSync, constants } from "node:fs"
import { copyFile, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join, resolve } from "node:path"
import { nodePlatform } from "../platform/node/node-platform.ts"
import type { PersistenceMode } from "./crash-options.ts"
import { shownText } from "./plain-data.ts"
import { ProcessCrashFound } from "./process-crash-found.ts"
import { freshSeed } from "./process-seed.ts"
import { recordProgram, traceUnavailable, type RecordedProgram } from "./system-trace-run.ts"
import { materialise, tracedStates, type TracedState } from "./system-trace-states.ts"

export interface TraceCheck {
  /** Holds one crash state, and may be changed. */
  readonly directory: string
  /** In the order in which the program said it. */
  readonly acknowledged: readonly unknown[]
  /** Begun and not acknowledged: each may be there or not. */
  readonly inFlight: readonly unknown[]
}

export interface TraceOptions {
  /** Program and arguments; or what makes them of the directory. The variable ORRERY_CRASH_DIRECTORY has it, too. */
  readonly command: readonly string[] | ((directory: string) => readonly string[])
  /** Where the program keeps its data; it may hold some. Default: a new temporary one, which goes afterwards. */
  readonly directory?: string
  /** Opens what the crash left, and throws where something acknowledged is missing. */
  readonly verify: (check: TraceCheck) => unknown
  /** About how many states to look at, spread evenly over all. Default 2,000. */
  readonly states?: number
  /** Decides which states. Default: another one each time. */
  readonly seed?: number
  /** Default: "posix". With "ext4" and "xfs" a sync of a file that has grown writes earlier names, too. */
  readonly persistence?: PersistenceMode
  /** Told after every state. */
  readonly onProgress?: (progress: TraceProgress) => void
  readonly signal?: AbortSignal
  /** Where a failure is kept, in a folder `orrery-crash-<seed>`. Default: the system's temporary directory. */
  readonly artifacts?: string
  /** Where states are put to be checked. Default: in memory (/dev/shm) where that can be, for the sake of speed. */
  readonly workspace?: string
}

export interface TraceProgress {
  readonly states: number
  readonly elapsedMs: number
}

export interface TraceReport extends TraceProgress {
  readonly seed: number
  /** What the program acknowledged in all. */
  readonly acknowledged: number
  /** System calls that synced something. */
  readonly syncs: number
  /** Why states may be incomplete: writes that strace cannot show. One sentence each; empty where all was seen. */
  readonly notes: readonly string[]
}

const STATES_DEFAULT = 2_000
const MEMORY_DIRECTORY = "/dev/shm"

async function traceCrashes(options: TraceOptions): Promise<TraceReport> {
  const why = traceUnavailable()
  if (why !== undefined) throw new Error(why)
  const { verify, states: limit = STATES_DEFAULT, persistence = "posix", seed = freshSeed() } = options
  checkOptions(options)
  const signal = options.signal ?? new AbortController().signal
  signal.throwIfAborted()
  const startedMs = nodePlatform.clock.monotonicMs()
  const work = await mkdtemp(join(tmpdir(), "orrery-trace-"))
  const states = await mkdtemp(join(options.workspace ?? memoryDirectory(), "orrery-states-"))
  try {
    const place = join(states, "state")
    const directory = resolve(options.directory ?? join(work, "program"))
    await mkdir(directory, { recursive: true })
    const output = join(work, "strace.txt")
    const recorded = await recordProgram({
      command: typeof options.command === "function" ? options.command(directory) : options.command,
      directory,
      output,
      environment: { ORRERY_CRASH_DIRECTORY: directory },
      hasJournal: persistence !== "posix",
      signal,
    })
    if (recorded.exitCode !== 0) throw endedBadly(recorded)
    let count = 0
    const elapsedMs = (): number => nodePlatform.clock.monotonicMs() - startedMs
    for (const traced of tracedStates(recorded, { seed, limit, persistence })) {
      signal.throwIfAborted()
      await materialise(traced.state, place)
      try {
        await verify({ directory: place, acknowledged: traced.acknowledged, inFlight: traced.inFlight })
      } catch (reason) {
        const kept = join(resolve(options.artifacts ?? tmpdir()), `orrery-crash-${seed}`)
        throw await found(reason, traced, recorded, { seed, kept, output })
      }
      count++
      options.onProgress?.({ states: count, elapsedMs: elapsedMs() })
    }
    const { acknowledged, syncs, notes } = recorded
    return {
      states: count,
      elapsedMs: elapsedMs(),
      seed,
      acknowledged: acknowledged.length,
      syncs: syncs.length,
      notes,
    }
  } finally {
    await rm(work, { recursive: true, force: true })
    await rm(states, { recursive: true, force: true })
  }
}

/**
 * Runs the program once, to its end, and looks at every state that a loss of power could have left at any moment of it.
 * The program says on its standard output what was acknowledged (`acknowledge`, or lines "acknowledged …").
 *
 * Guarantees: an acknowledgement counts for the states from its own moment on, exactly: it is in the trace itself.
 * Fails with: ProcessCrashFound; TypeError for wrong options; Error where the program fails, or nothing can be traced here.
 */
export const trace: {
  (options: TraceOptions): Promise<TraceReport>
  /** Undefined where programs can be traced here; else why not, in one line, for the test to skip with. */
  readonly available: () => string | undefined
} = Object.assign(traceCrashes, { available: traceUnavailable })

async function found(
  reason: unknown,
  { state, acknowledged }: TracedState,
  { notes }: RecordedProgram,
  { seed, kept, output }: { readonly seed: number; readonly kept: string; readonly output: string },
): Promise<ProcessCrashFound> {
  const directory = join(kept, "disk")
  await rm(kept, { recursive: true, force: true })
  // The check may have changed what it was given.
  await materialise(state, directory)
  await copyFile(output, join(kept, "strace.txt"))
  const what = reason instanceof Error ? reason.message : shownText(reason)
  const message = [
    `after a crash the check fails: ${what} (seed ${seed})`,
    `${acknowledged.length} acknowledged${acknowledged.length === 0 ? "" : `, ${shownText(acknowledged.at(-1), 200)} last`}`,
    state.describe(),
    ...notes.map((note) => `incomplete: ${note}`),
    `disk image: ${directory}`,
  ].join("\n")
  await writeFile(join(kept, "message.txt"), `${message}\n`)
  return new ProcessCrashFound(message, { seed, directory, acknowledged, crash: state.id }, reason)
}

function endedBadly({ exitCode, complaint }: RecordedProgram): Error {
  const how = exitCode === undefined ? "was killed" : `ended with ${exitCode}`
  return new Error(`crash trace: the program ${how}: ${complaint.trim() || "it said nothing"}`)
}

/** A check may sync as it likes where syncs cost nothing. */
export function memoryDirectory(): string {
  try {
    accessSync(MEMORY_DIRECTORY, constants.W_OK)
    return MEMORY_DIRECTORY
  } catch {
    return tmpdir()
  }
}

function checkOptions({ command, verify, states = 1, seed = 0, persistence = "posix" }: TraceOptions): void {
  const isCommand = typeof command === "function" || (Array.isArray(command) && command.length > 0)
  if (!isCommand)
    throw new TypeError("crash trace: command is a program with its arguments, or a function that makes it")
  if (typeof verify !== "function") throw new TypeError("crash trace: verify is a function")
  if (!(Number.isInteger(states) && states >= 1)) throw new TypeError("crash trace: states is a whole number from 1 on")
  if (!Number.isSafeInteger(seed)) throw new TypeError("crash trace: seed is a safe integer")
  if (!["posix", "ext4", "xfs"].includes(persistence)) {
    throw new TypeError('crash trace: persistence is "posix", "ext4" or "xfs"')
  }
}
