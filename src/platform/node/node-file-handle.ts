// An open file of the operating system: positional reads and writes on a raw descriptor, through callbacks, one promise a
// call. `writeSynced` goes through a second descriptor of the same file, opened with O_DSYNC: one trip through the
// thread pool instead of two, the best of eight ways measured on preallocated files.
//
// Both descriptors are opened together, because the name may have moved to another file later. A call after `close` is
// refused here: the system may have given the descriptor's number to another file by then. `close` waits for calls that
// are still on their way, for the same reason.

import * as fs from "node:fs"
import type { FileHandle, FileMode } from "../file-system.ts"
import { callSystem, systemError, withPath } from "./system-call.ts"

/** Largest transfer in one call. Larger ones come back short, as the contract allows; node:fs refuses 2 GiB and more. */
const TRANSFER_SIZE_MAX = 1024 * 1024 * 1024

const OPEN_FLAGS: Readonly<Record<FileMode, number>> = {
  read: fs.constants.O_RDONLY,
  write: fs.constants.O_RDWR,
  create: fs.constants.O_RDWR | fs.constants.O_CREAT | fs.constants.O_EXCL,
}

// Only Linux keeps O_DSYNC's promise through to the medium; macOS needs F_FULLFSYNC, which libuv's fdatasync sends.
const SYNCED_WRITE_FLAG: number | undefined = process.platform === "linux" ? fs.constants.O_DSYNC : undefined

type Transfer = (
  descriptor: number,
  bytes: Uint8Array,
  offset: number,
  length: number,
  position: number,
  done: (error: NodeJS.ErrnoException | null, count: number) => void,
) => void

const readAt: Transfer = fs.read
const writeAt: Transfer = fs.write

/** Opens a file. Leaves nothing behind when it fails. Fails with: the operating system's error. */
export async function openNodeFile(path: string, mode: FileMode): Promise<FileHandle> {
  const descriptor = await openDescriptor(path, OPEN_FLAGS[mode])
  if (mode === "read" || SYNCED_WRITE_FLAG === undefined) return new NodeFileHandle(path, descriptor, undefined)
  try {
    const syncedDescriptor = await openDescriptor(path, fs.constants.O_WRONLY | SYNCED_WRITE_FLAG)
    return new NodeFileHandle(path, descriptor, syncedDescriptor)
  } catch (error) {
    await closeDescriptor(path, descriptor)
    if (mode === "create") await callSystem<void>(path, (done) => fs.unlink(path, (failure) => done(failure)))
    throw error
  }
}

class NodeFileHandle implements FileHandle {
  // Constant after construction.
  readonly #path: string
  readonly #descriptor: number
  readonly #syncedDescriptor: number | undefined

  // Changed by calls and close().
  #inFlightCount = 0
  #whenIdle: (() => void) | undefined
  #closed: Promise<void> | undefined

  constructor(path: string, descriptor: number, syncedDescriptor: number | undefined) {
    this.#path = path
    this.#descriptor = descriptor
    this.#syncedDescriptor = syncedDescriptor
  }

  read(target: Uint8Array, position: number): Promise<number> {
    return this.#transfer(readAt, "read", this.#descriptor, target, position)
  }

  write(source: Uint8Array, position: number): Promise<number> {
    return this.#transfer(writeAt, "write", this.#descriptor, source, position)
  }

  async writeSynced(source: Uint8Array, position: number): Promise<number> {
    if (this.#syncedDescriptor !== undefined) {
      return this.#transfer(writeAt, "write", this.#syncedDescriptor, source, position)
    }
    const count = await this.#transfer(writeAt, "write", this.#descriptor, source, position)
    await this.dataSync()
    return count
  }

  dataSync(): Promise<void> {
    return this.#call("fdatasync", (done) => fs.fdatasync(this.#descriptor, (error) => done(error)))
  }

  truncate(size: number): Promise<void> {
    return this.#call("ftruncate", (done) => fs.ftruncate(this.#descriptor, size, (error) => done(error)))
  }

  async size(): Promise<number> {
    const stats = await this.#call<fs.Stats>("fstat", (done) => fs.fstat(this.#descriptor, done))
    return stats.size
  }

  close(): Promise<void> {
    this.#closed ??= this.#closeDescriptors()
    return this.#closed
  }

  /** The hot path: two closures and one promise. */
  #transfer(
    transfer: Transfer,
    syscall: "read" | "write",
    descriptor: number,
    bytes: Uint8Array,
    position: number,
  ): Promise<number> {
    if (this.#closed !== undefined) return Promise.reject(this.#closedError(syscall))
    const length = Math.min(bytes.length, TRANSFER_SIZE_MAX)
    this.#inFlightCount++
    return new Promise((resolve, reject) => {
      const done = (error: NodeJS.ErrnoException | null, count: number): void => {
        if (error?.code === "EINTR") {
          transfer(descriptor, bytes, 0, length, position, done)
          return
        }
        this.#ended()
        if (error !== null) reject(withPath(error, this.#path))
        else if (count === 0 && length > 0 && syscall === "write") reject(this.#nothingTakenError())
        else resolve(count)
      }
      transfer(descriptor, bytes, 0, length, position, done)
    })
  }

  async #call<Result>(
    syscall: string,
    start: (done: (error: NodeJS.ErrnoException | null, result: Result) => void) => void,
  ): Promise<Result> {
    if (this.#closed !== undefined) throw this.#closedError(syscall)
    this.#inFlightCount++
    try {
      return await callSystem(this.#path, start)
    } finally {
      this.#ended()
    }
  }

  #ended(): void {
    this.#inFlightCount--
    if (this.#inFlightCount === 0) this.#whenIdle?.()
  }

  async #closeDescriptors(): Promise<void> {
    if (this.#inFlightCount > 0) {
      await new Promise<void>((resolve) => {
        this.#whenIdle = resolve
      })
    }
    try {
      if (this.#syncedDescriptor !== undefined) await closeDescriptor(this.#path, this.#syncedDescriptor)
    } finally {
      await closeDescriptor(this.#path, this.#descriptor)
    }
  }

  #closedError(syscall: string): Error {
    return systemError("EBADF", "the file is closed", syscall, this.#path)
  }

  #nothingTakenError(): Error {
    return systemError("EIO", "the system took no bytes", "write", this.#path)
  }
}

function openDescriptor(path: string, flags: number): Promise<number> {
  return callSystem<number>(path, (done) => fs.open(path, flags, done))
}

/** Not started again after EINTR: the descriptor is free by then, and its number may be another file's. */
function closeDescriptor(path: string, descriptor: number): Promise<void> {
  return new Promise((resolve, reject) => {
    fs.close(descriptor, (error) => {
      if (error === null || error === undefined || error.code === "EINTR") resolve()
      else reject(withPath(error, path))
    })
  })
}
