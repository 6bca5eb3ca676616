// A file system on which everything can be tried and nothing is changed: reads come from the real one, writes stay in
// memory. For a dry run, which then goes through the very steps that the real run would. Only the locks are real, so that
// nobody changes the files meanwhile.
//
// Must not be given more to write than fits into memory: a file that is written to is held there whole.

import type { DirectoryLock, FileHandle, FileMode, FileStat, FileSystem, LockRefusal } from "../platform/file-system.ts"

/** A file as it is in the trial. Links share it. */
interface TrialFile {
  bytes: Uint8Array
  size: number
}

export class TrialFileSystem implements FileSystem {
  readonly #real: FileSystem
  /** What differs from the real one, by path; undefined: there is nothing any more. */
  readonly #files = new Map<string, TrialFile | undefined>()

  constructor(real: FileSystem) {
    this.#real = real
  }

  async open(path: string, mode: FileMode): Promise<FileHandle> {
    if (mode === "create" && (await this.stat(path)) !== undefined) throw refusal("EEXIST", "open", path)
    if (mode === "create") return new TrialHandle(this.#put(path, { bytes: new Uint8Array(0), size: 0 }))
    if (mode === "read" && !this.#files.has(path)) return this.#real.open(path, mode)
    return new TrialHandle(await this.#held(path, "open"))
  }

  async rename(source: string, target: string): Promise<void> {
    const file = await this.#held(source, "rename")
    this.#files.set(source, undefined)
    this.#put(target, file)
  }

  async link(source: string, target: string): Promise<void> {
    if ((await this.stat(target)) !== undefined) throw refusal("EEXIST", "link", source)
    this.#put(target, await this.#held(source, "link"))
  }

  async unlink(path: string): Promise<void> {
    if ((await this.stat(path)) === undefined) throw refusal("ENOENT", "unlink", path)
    this.#files.set(path, undefined)
  }

  async list(path: string): Promise<readonly string[]> {
    const names = new Set(await this.#real.list(path))
    const start = this.join(path, "x").slice(0, -1)
    for (const [known, file] of this.#files) {
      if (!known.startsWith(start)) continue
      const name = known.slice(start.length)
      if (file === undefined) names.delete(name)
      else names.add(name)
    }
    return [...names].sort()
  }

  async stat(path: string): Promise<FileStat | undefined> {
    if (!this.#files.has(path)) return this.#real.stat(path)
    const file = this.#files.get(path)
    return file && { kind: "file", size: file.size }
  }

  async makeDirectory(path: string): Promise<void> {
    if ((await this.#real.stat(path))?.kind !== "directory") throw refusal("EROFS", "mkdir", path)
  }

  removeDirectory(path: string): Promise<void> {
    return Promise.reject(refusal("EROFS", "rmdir", path))
  }

  async syncDirectory(): Promise<void> {}

  lock(directory: string, fileName: string): Promise<DirectoryLock | LockRefusal> {
    return this.#real.lock(directory, fileName)
  }

  freeBytes(path: string): Promise<number | undefined> {
    return this.#real.freeBytes(path)
  }

  totalBytes(path: string): Promise<number | undefined> {
    return this.#real.totalBytes(path)
  }

  join(directory: string, name: string): string {
    return this.#real.join(directory, name)
  }

  #put(path: string, file: TrialFile): TrialFile {
    this.#files.set(path, file)
    return file
  }

  /** The file, to be changed: brought into memory where it is not there yet. */
  async #held(path: string, syscall: string): Promise<TrialFile> {
    const known = this.#files.get(path)
    if (known !== undefined) return known
    if (this.#files.has(path)) throw refusal("ENOENT", syscall, path)
    const handle = await this.#real.open(path, "read")
    try {
      const size = await handle.size()
      const bytes = new Uint8Array(size)
      for (let at = 0; at < size;) {
        const count = await handle.read(bytes.subarray(at), at)
        if (count === 0) break
        at += count
      }
      return this.#put(path, { bytes, size })
    } finally {
      await handle.close()
    }
  }
}

class TrialHandle implements FileHandle {
  readonly #file: TrialFile

  constructor(file: TrialFile) {
    this.#file = file
  }

  async read(target: Uint8Array, position: number): Promise<number> {
    const { bytes, size } = this.#file
    const count = Math.max(0, Math.min(target.length, size - position))
    target.set(bytes.subarray(position, position + count))
    return count
  }

  async write(source: Uint8Array, position: number): Promise<number> {
    this.#grow(position + source.length)
    this.#file.bytes.set(source, position)
    return source.length
  }

  writeSynced(source: Uint8Array, position: number): Promise<number> {
    return this.write(source, position)
  }

  async dataSync(): Promise<void> {}

  async truncate(size: number): Promise<void> {
    this.#grow(size)
    this.#file.bytes.fill(0, size, this.#file.size)
    this.#file.size = size
  }

  async size(): Promise<number> {
    return this.#file.size
  }

  async close(): Promise<void> {}

  #grow(size: number): void {
    const file = this.#file
    if (size > file.bytes.length) {
      const bytes = new Uint8Array(Math.max(size, file.bytes.length * 2))
      bytes.set(file.bytes)
      file.bytes = bytes
    }
    file.size = Math.max(file.size, size)
  }
}

function refusal(code: string, syscall: string, path: string): Error {
  return Object.assign(new Error(`${code}: ${syscall} '${path}'`), { code, syscall, path })
}
