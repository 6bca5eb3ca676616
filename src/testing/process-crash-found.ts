// What a crash test of a real process throws when something was lost: where to look at it. Chance and the clock of a real
// process cannot be had again, so what is kept is the directory itself.

export interface ProcessCrashDetails {
  readonly seed: number
  /** What was left to be opened; it stays where it is. */
  readonly directory: string
  readonly acknowledged: readonly unknown[]
  /** The kill, or the id of the crash state. */
  readonly crash: string
}

/** After a crash of a process the check fails, or the process does not start again. `cause` says why. */
export class ProcessCrashFound extends Error {
  readonly _tag = "ProcessCrashFound"
  readonly code = "ORRERY_PROCESS_CRASH_FOUND"
  override readonly name = "ProcessCrashFound"
  readonly remedy = "Look into the directory that was kept, and sync what was lost before it is acknowledged"
  readonly seed: number
  readonly directory: string
  /** What the program had acknowledged before the crash. */
  readonly acknowledged: readonly unknown[]
  readonly crash: string

  constructor(message: string, details: ProcessCrashDetails, cause: unknown) {
    super(message, { cause })
    this.seed = details.seed
    this.directory = details.directory
    this.acknowledged = details.acknowledged
    this.crash = details.crash
  }
}
