// One call of a callback function of node:fs as a promise. Starts the call again when a signal interrupted it (EINTR),
// and says in the error which path it was about. `fs.promises` does the same at twice the cost a call.

/** How node:fs reports the end of a call. */
export type SystemCallDone<Result> = (error: NodeJS.ErrnoException | null, result: Result) => void

/** Runs `start` until it ends with anything but EINTR. Fails with: the operating system's error. */
export function callSystem<Result>(path: string, start: (done: SystemCallDone<Result>) => void): Promise<Result> {
  return new Promise((resolve, reject) => {
    const done: SystemCallDone<Result> = (error, result) => {
      if (error === null) resolve(result)
      else if (error.code === "EINTR") start(done)
      else reject(withPath(error, path))
    }
    start(done)
  })
}

/** The error, with the path that it was about. Calls on a descriptor do not know theirs. */
export function withPath(error: NodeJS.ErrnoException, path: string): NodeJS.ErrnoException {
  error.path ??= path
  return error
}

/** An error of the shape that node:fs throws, for what it does not see itself. */
export function systemError(code: string, reason: string, syscall: string, path: string, cause?: unknown): Error {
  const message = `${code}: ${reason}, ${syscall} '${path}'`
  const error = cause === undefined ? new Error(message) : new Error(message, { cause })
  return Object.assign(error, { code, syscall, path })
}

/** The operating system's code of a caught error; undefined for any other error. */
export function systemCodeOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !("code" in error)) return undefined
  return typeof error.code === "string" ? error.code : undefined
}
