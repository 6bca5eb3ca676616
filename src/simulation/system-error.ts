// Errors of the simulated operating system, in the shape of Node's: code, syscall and path.

const REASONS: Readonly<Record<string, string>> = {
  EBADF: "bad file descriptor",
  EBUSY: "resource busy or locked",
  EEXIST: "file already exists",
  EINVAL: "invalid argument",
  EIO: "i/o error",
  EISDIR: "illegal operation on a directory",
  EMFILE: "too many open files",
  ENFILE: "file table overflow",
  ENOENT: "no such file or directory",
  ENOSPC: "no space left on device",
  ENOTDIR: "not a directory",
  ENOTEMPTY: "directory not empty",
}

/** What a failed system call throws. */
export interface SystemError extends Error {
  readonly code: string
  readonly syscall: string
  readonly path: string
}

/** The error of a system call. */
export function systemError(code: string, syscall: string, path: string): SystemError {
  const error = new Error(`${code}: ${REASONS[code] ?? "failed"}, ${syscall} '${path}'`)
  return Object.assign(error, { code, syscall, path })
}
