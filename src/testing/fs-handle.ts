// File handles of the part of `node:fs/promises` that runs on a simulated disk (fs-promises.ts): positions, appending,
// whole files. Calls of one handle run one after the other, in the order in which they were made.

import type { FileHandle, FileSystem } from "../platform/file-system.ts"
import { readFully, writeFully } from "../platform/transfer.ts"
import { systemError } from "../simulation/system-error.ts"

/** The part of Node's FileHandle that there is. */
export interface FsHandle {
  /** Into `buffer` from `offset` on, at most `length` bytes; from `position`, or where the last read or write ended. */
  read(
    buffer: Uint8Array,
    offset?: number,
    length?: number,
    position?: number | null,
  ): Promise<{ readonly bytesRead: number; readonly buffer: Uint8Array }>
  /** May take less than was given. A text is written as UTF-8; its second argument is the position. */
  write(
    data: Uint8Array | string,
    offset?: number | null,
    length?: number | string | null,
    position?: number | null,
  ): Promise<{ readonly bytesWritten: number; readonly buffer: Uint8Array }>
  readFile(): Promise<Buffer>
  readFile(encoding: "utf8" | "utf-8"): Promise<string>
  /** All of it, from where the handle stands. */
  writeFile(data: Uint8Array | string): Promise<void>
  appendFile(data: Uint8Array | string): Promise<void>
  truncate(size?: number): Promise<void>
  stat(): Promise<{ readonly size: number; isFile(): boolean; isDirectory(): boolean }>
  /** On a directory it makes the names in it durable. */
  sync(): Promise<void>
  datasync(): Promise<void>
  close(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

export interface FsAccess {
  readonly canRead: boolean
  readonly canWrite: boolean
  readonly appends: boolean
}

export class FsFileHandle implements FsHandle {
  readonly #file: FileHandle
  readonly #path: string
  readonly #access: FsAccess
  #position = 0
  /** What was asked for last: the next call waits for it. */
  #tail: Promise<unknown> = Promise.resolve()

  constructor(file: FileHandle, path: string, access: FsAccess) {
    this.#file = file
    this.#path = path
    this.#access = access
  }

  read(
    buffer: Uint8Array,
    offset: number = 0,
    length: number = buffer.length - offset,
    position: number | null = null,
  ): Promise<{ readonly bytesRead: number; readonly buffer: Uint8Array }> {
    return this.#inTurn(async () => {
      this.#check(this.#access.canRead, "read")
      const bytesRead = await this.#file.read(buffer.subarray(offset, offset + length), position ?? this.#position)
      if (position === null) this.#position += bytesRead
      return { bytesRead, buffer }
    })
  }

  write(
    data: Uint8Array | string,
    offset: number | null = null,
    length: number | string | null = null,
    position: number | null = null,
  ): Promise<{ readonly bytesWritten: number; readonly buffer: Uint8Array }> {
    const isText = typeof data === "string"
    const bytes = isText ? Buffer.from(data) : data
    const start = isText ? 0 : (offset ?? 0)
    const end = isText || typeof length !== "number" ? bytes.length : start + length
    // As the kernel does: what the caller writes into its buffer afterwards is not meant.
    const source = new Uint8Array(bytes.subarray(start, end))
    return this.#inTurn(async () => {
      this.#check(this.#access.canWrite, "write")
      const bytesWritten = await this.#writeSome(source, isText ? offset : position)
      return { bytesWritten, buffer: bytes }
    })
  }

  readFile(): Promise<Buffer>
  readFile(encoding: "utf8" | "utf-8"): Promise<string>
  readFile(encoding?: "utf8" | "utf-8"): Promise<Buffer | string> {
    return this.#inTurn(async () => {
      this.#check(this.#access.canRead, "read")
      const bytes = Buffer.alloc(Math.max(0, (await this.#file.size()) - this.#position))
      const count = await readFully(this.#file, bytes, this.#position)
      this.#position += count
      return encoding === undefined ? bytes.subarray(0, count) : bytes.toString("utf8", 0, count)
    })
  }

  writeFile(data: Uint8Array | string): Promise<void> {
    const source = typeof data === "string" ? Buffer.from(data) : new Uint8Array(data)
    return this.#inTurn(async () => {
      this.#check(this.#access.canWrite, "write")
      const start = this.#access.appends ? await this.#file.size() : this.#position
      await writeFully(this.#file, source, start, false)
      this.#position = start + source.length
    })
  }

  appendFile(data: Uint8Array | string): Promise<void> {
    return this.writeFile(data)
  }

  truncate(size: number = 0): Promise<void> {
    return this.#inTurn(() => this.#file.truncate(size))
  }

  stat(): Promise<{ readonly size: number; isFile(): boolean; isDirectory(): boolean }> {
    return this.#inTurn(async () => ({ size: await this.#file.size(), isFile: () => true, isDirectory: () => false }))
  }

  /** The simulated disk knows no times and rights, so there is nothing more to sync than data and size. */
  sync(): Promise<void> {
    return this.datasync()
  }

  datasync(): Promise<void> {
    return this.#inTurn(() => this.#file.dataSync())
  }

  close(): Promise<void> {
    return this.#inTurn(() => this.#file.close())
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #writeSome(source: Uint8Array, position: number | null): Promise<number> {
    if (source.length === 0) return 0
    if (this.#access.appends) return this.#file.write(source, await this.#file.size())
    const bytesWritten = await this.#file.write(source, position ?? this.#position)
    if (position === null) this.#position += bytesWritten
    return bytesWritten
  }

  #inTurn<Result>(call: () => Promise<Result>): Promise<Result> {
    const result = this.#tail.then(call)
    this.#tail = result.catch(() => undefined)
    return result
  }

  #check(isAllowed: boolean, syscall: string): void {
    if (!isAllowed) throw systemError("EBADF", syscall, this.#path)
  }
}

/** What `open` of a directory gives: good for `sync`, `stat` and `close`. */
export class FsDirectoryHandle implements FsHandle {
  readonly #files: FileSystem
  readonly #path: string
  #isClosed = false

  constructor(files: FileSystem, path: string) {
    this.#files = files
    this.#path = path
  }

  sync(): Promise<void> {
    if (this.#isClosed) return Promise.reject(systemError("EBADF", "fsync", this.#path))
    return this.#files.syncDirectory(this.#path)
  }

  datasync(): Promise<void> {
    return this.sync()
  }

  async stat(): Promise<{ readonly size: number; isFile(): boolean; isDirectory(): boolean }> {
    return { size: 0, isFile: () => false, isDirectory: () => true }
  }

  async close(): Promise<void> {
    this.#isClosed = true
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  read(): Promise<never> {
    return this.#refuse("read")
  }

  write(): Promise<never> {
    return this.#refuse("write")
  }

  readFile(): Promise<never> {
    return this.#refuse("read")
  }

  writeFile(): Promise<never> {
    return this.#refuse("write")
  }

  appendFile(): Promise<never> {
    return this.#refuse("write")
  }

  truncate(): Promise<never> {
    return this.#refuse("ftruncate")
  }

  #refuse(syscall: string): Promise<never> {
    return Promise.reject(systemError("EISDIR", syscall, this.#path))
  }
}
