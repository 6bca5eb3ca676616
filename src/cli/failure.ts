// What ends a command other than well, and what the shell learns of it. Every failure has a code, a summary and a remedy,
// whatever it came from; exit codes are part of the interface: docs/operations.md lists them. Must not print.

import { Corruption, OrreryError, StoreLocked } from "../model/errors.ts"
import { isSystemError, systemCodeOf } from "../platform/system-error.ts"

/** What the process ends with. A number never changes its meaning. */
export const EXIT_GOOD = 0
export const EXIT_FAILED = 1
export const EXIT_USAGE = 2
export const EXIT_LOCKED = 3
export const EXIT_DAMAGED = 4
export const EXIT_TORN = 5

/** A failure of the tool itself. Those of the store pass through with their own codes. */
export class CommandFailure extends Error {
  override readonly name = "CommandFailure"
  readonly code: string
  readonly summary: string
  readonly remedy: string
  readonly exitCode: number

  constructor(code: string, summary: string, remedy: string, exitCode: number = EXIT_FAILED) {
    super(`${summary}. ${remedy}`)
    this.code = code
    this.summary = summary
    this.remedy = remedy
    this.exitCode = exitCode
  }
}

/** Nobody reads the output any more: the command ends quietly. */
export class OutputClosed extends Error {
  override readonly name = "OutputClosed"
}

/** What is told of a failure. */
export interface FailureReport {
  readonly code: string
  readonly summary: string
  readonly remedy: string
  readonly exitCode: number
}

export function reportOf(error: unknown): FailureReport {
  if (error instanceof CommandFailure) {
    const { code, summary, remedy, exitCode } = error
    return { code, summary, remedy, exitCode }
  }
  if (error instanceof OrreryError) {
    const { code, summary } = error
    const remedy = error instanceof Corruption ? `${error.remedy}; orrery salvage saves what is good` : error.remedy
    return { code, summary, remedy, exitCode: exitCodeOf(error) }
  }
  const message = error instanceof Error ? error.message : String(error)
  if (isSystemError(error)) {
    const remedy = "Check the path and its rights"
    return { code: systemCodeOf(error), summary: message, remedy, exitCode: EXIT_FAILED }
  }
  const remedy = "This is a defect of orrery: report it with the command that you ran"
  return { code: "DEFECT", summary: message, remedy, exitCode: EXIT_FAILED }
}

function exitCodeOf(error: OrreryError): number {
  if (error instanceof StoreLocked) return EXIT_LOCKED
  return error instanceof Corruption ? EXIT_DAMAGED : EXIT_FAILED
}
