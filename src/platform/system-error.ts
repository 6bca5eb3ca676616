// From the operating system's errors to the engine's. Only what the operating system failed with becomes one: a defect, a
// broken invariant, the reason of a signal, or what a caller's own function threw, stays what it is.

import { StorageFailed } from "../model/errors.ts"

/** How the operating system names its errors. Node's own begin with ERR_, the engine's with ORRERY_. */
const SYSTEM_CODE = /^E[A-Z0-9]+$/

/** The operating system's code of an error, "EIO" for example; "UNKNOWN" where it carries none. */
export function systemCodeOf(error: unknown): string {
  if (typeof error === "object" && error !== null && "code" in error && typeof error.code === "string")
    return error.code
  return "UNKNOWN"
}

/** Whether a call of the operating system failed with it; what Node cannot name it calls UNKNOWN, and tells the call. */
export function isSystemError(error: unknown): boolean {
  const code = systemCodeOf(error)
  return SYSTEM_CODE.test(code) || (code === "UNKNOWN" && hasSystemCall(error))
}

/** Wraps what the operating system failed with; everything else passes unchanged. */
export function storageFailed(operation: string, file: string, error: unknown): unknown {
  return isSystemError(error) ? new StorageFailed(operation, file, systemCodeOf(error), error) : error
}

function hasSystemCall(error: unknown): boolean {
  return typeof error === "object" && error !== null && "syscall" in error
}
