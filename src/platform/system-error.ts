// From the operating system's errors to the engine's.

import { OrreryError, StorageFailed } from "../model/errors.ts"

/** The operating system's code of an error, "EIO" for example; "UNKNOWN" where it carries none. */
export function systemCodeOf(error: unknown): string {
  if (typeof error === "object" && error !== null && "code" in error && typeof error.code === "string")
    return error.code
  return "UNKNOWN"
}

/** Wraps what a file operation failed with; errors of the engine pass unchanged. */
export function storageFailed(operation: string, file: string, error: unknown): OrreryError {
  if (error instanceof OrreryError) return error
  return new StorageFailed(operation, file, systemCodeOf(error), error)
}

/** The error as users may meet it: what the operating system failed with is wrapped, everything else passes. */
export function typedError(operation: string, file: string, error: unknown): unknown {
  return systemCodeOf(error) === "UNKNOWN" ? error : storageFailed(operation, file, error)
}
