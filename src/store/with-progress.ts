// Waits for a long work on a caller's behalf: his function is told how far it is, and what that throws, or his signal, ends
// the waiting. It does not end the work, which others may wait for as well.

import { abortable } from "./abortable.ts"

export interface ByteProgress {
  readonly doneBytes: number
  readonly totalBytes: number
}

/** Begins the work and waits for it. Fails with what the work or `onProgress` fails with, the signal's reason. */
export function withProgress<Result>(
  onProgress: ((progress: ByteProgress) => void) | undefined,
  signal: AbortSignal | undefined,
  begin: (tell: (doneBytes: number, totalBytes: number) => void) => Promise<Result>,
): Promise<Result> {
  const { promise: refused, reject } = Promise.withResolvers<never>()
  const tell = (doneBytes: number, totalBytes: number): void => {
    try {
      onProgress?.({ doneBytes, totalBytes })
    } catch (error) {
      reject(error)
    }
  }
  return abortable(Promise.race([begin(tell), refused]), signal)
}
