// A part of `node:fs/promises` over the file system of a platform, for code that takes its `fs` from outside: with it such
// code can be crashed without knowing of this package.
//
// Like POSIX and unlike the contract below it: nothing is durable that was not synced. A directory is synced as Node does
// it: `const directory = await fs.open(path); await directory.sync()`. Not here: rights, times, watching, symbolic links,
// streams, and everything synchronous.

import type { FileHandle, FileSystem } from "../platform/file-system.ts"
import { systemCodeOf } from "../platform/system-error.ts"
import { SimulatedDisk } from "../simulation/simulated-disk.ts"
import { systemError } from "../simulation/system-error.ts"
import { FsDirectoryHandle, FsFileHandle, type FsHandle } from "./fs-handle.ts"

export interface FsStats {
  readonly size: number
  isFile(): boolean
  isDirectory(): boolean
}

type Encoding = "utf8" | "utf-8" | { readonly encoding: "utf8" | "utf-8" }

/** The functions that there are, with the arguments that there are. Errors have Node's codes. */
export interface FsPromises {
  /** Flags: "r", "r+", "w", "w+", "wx", "wx+", "a", "a+", "ax", "ax+". A directory opens with "r". */
  open(path: string, flags?: string): Promise<FsHandle>
  rename(source: string, target: string): Promise<void>
  link(source: string, target: string): Promise<void>
  unlink(path: string): Promise<void>
  /** Only files and, with `recursive`, what is in directories; `force` leaves out what is not there. */
  rm(path: string, options?: { readonly recursive?: boolean; readonly force?: boolean }): Promise<void>
  rmdir(path: string): Promise<void>
  readdir(path: string): Promise<string[]>
  mkdir(path: string, options?: { readonly recursive?: boolean }): Promise<void>
  stat(path: string): Promise<FsStats>
  access(path: string): Promise<void>
  truncate(path: string, size?: number): Promise<void>
  readFile(path: string): Promise<Buffer>
  readFile(path: string, encoding: Encoding): Promise<string>
  writeFile(
    path: string,
    data: string | Uint8Array,
    options?: { readonly flag?: string; readonly flush?: boolean },
  ): Promise<void>
  appendFile(path: string, data: string | Uint8Array, options?: { readonly flush?: boolean }): Promise<void>
}

const FLAGS = new Set(["r", "r+", "w", "w+", "wx", "wx+", "a", "a+", "ax", "ax+"])

/** `fs` for code under test: `fsPromises(platform.fileSystem)`. */
export function fsPromises(fileSystem: FileSystem): FsPromises {
  return new FsOverFileSystem(fileSystem)
}

class FsOverFileSystem implements FsPromises {
  readonly #files: FileSystem

  constructor(files: FileSystem) {
    this.#files = files
    // Node's are functions that may be taken out of their module.
    for (const name of NAMES) Object.defineProperty(this, name, { value: this[name].bind(this), enumerable: true })
  }

  async open(path: string, flags: string = "r"): Promise<FsHandle> {
    if (!FLAGS.has(flags)) throw new TypeError(`fsPromises: flags "${flags}" are not supported`)
    const isReadOnly = flags === "r"
    const file = await this.#opened(path, flags, isReadOnly)
    if (file === undefined) return new FsDirectoryHandle(this.#files, path)
    const canRead = isReadOnly || flags.endsWith("+")
    return new FsFileHandle(file, path, { canRead, canWrite: !isReadOnly, appends: flags.startsWith("a") })
  }

  rename(source: string, target: string): Promise<void> {
    return this.#files.rename(source, target)
  }

  link(source: string, target: string): Promise<void> {
    return this.#files.link(source, target)
  }

  unlink(path: string): Promise<void> {
    return this.#files.unlink(path)
  }

  async rm(path: string, options: { readonly recursive?: boolean; readonly force?: boolean } = {}): Promise<void> {
    const stat = await this.#files.stat(path)
    if (stat === undefined) {
      if (options.force === true) return
      throw systemError("ENOENT", "rm", path)
    }
    if (stat.kind !== "directory") return this.#files.unlink(path)
    if (options.recursive !== true) throw systemError("EISDIR", "rm", path)
    for (const name of await this.#files.list(path)) await this.rm(this.#files.join(path, name), options)
    return this.#files.removeDirectory(path)
  }

  rmdir(path: string): Promise<void> {
    return this.#files.removeDirectory(path)
  }

  async readdir(path: string): Promise<string[]> {
    return [...(await this.#files.list(path))]
  }

  async mkdir(path: string, options: { readonly recursive?: boolean } = {}): Promise<void> {
    const missing: string[] = [path]
    if (options.recursive === true) {
      if ((await this.#files.stat(path))?.kind === "directory") return
      for (let parent = parentOf(path); parent !== undefined; parent = parentOf(parent)) {
        if ((await this.#files.stat(parent)) !== undefined) break
        missing.push(parent)
      }
    }
    for (const directory of missing.reverse()) {
      // The contract's own way makes names durable, which mkdir does not: a bug would hide behind it.
      if (this.#files instanceof SimulatedDisk) await this.#files.createDirectory(directory)
      else await this.#files.makeDirectory(directory)
    }
  }

  async stat(path: string): Promise<FsStats> {
    const stat = await this.#files.stat(path)
    if (stat === undefined) throw systemError("ENOENT", "stat", path)
    const { kind, size } = stat
    return { size, isFile: () => kind === "file", isDirectory: () => kind === "directory" }
  }

  async access(path: string): Promise<void> {
    await this.stat(path)
  }

  async truncate(path: string, size: number = 0): Promise<void> {
    const handle = await this.open(path, "r+")
    try {
      await handle.truncate(size)
    } finally {
      await handle.close()
    }
  }

  readFile(path: string): Promise<Buffer>
  readFile(path: string, encoding: Encoding): Promise<string>
  async readFile(path: string, encoding?: Encoding): Promise<Buffer | string> {
    const handle = await this.open(path, "r")
    try {
      const bytes = await handle.readFile()
      return encoding === undefined ? bytes : bytes.toString("utf8")
    } finally {
      await handle.close()
    }
  }

  async writeFile(
    path: string,
    data: string | Uint8Array,
    options: { readonly flag?: string; readonly flush?: boolean } = {},
  ): Promise<void> {
    const handle = await this.open(path, options.flag ?? "w")
    try {
      await handle.writeFile(data)
      if (options.flush === true) await handle.sync()
    } finally {
      await handle.close()
    }
  }

  appendFile(path: string, data: string | Uint8Array, options: { readonly flush?: boolean } = {}): Promise<void> {
    return this.writeFile(path, data, { ...options, flag: "a" })
  }

  /** The file as the flags want it; undefined for a directory. */
  async #opened(path: string, flags: string, isReadOnly: boolean): Promise<FileHandle | undefined> {
    for (;;) {
      const stat = await this.#files.stat(path)
      if (stat?.kind === "directory") {
        if (isReadOnly) return undefined
        throw systemError("EISDIR", "open", path)
      }
      if (stat === undefined && flags.startsWith("r")) throw systemError("ENOENT", "open", path)
      if (stat !== undefined && flags.includes("x")) throw systemError("EEXIST", "open", path)
      try {
        const mode = stat === undefined ? "create" : isReadOnly ? "read" : "write"
        const file = await this.#files.open(path, mode)
        return stat !== undefined && flags.startsWith("w") ? await emptied(file) : file
      } catch (error) {
        // Made or taken away by somebody else since: the kernel looks and opens at once, here it has to be tried again.
        const isTaken = stat === undefined && systemCodeOf(error) === "EEXIST" && !flags.includes("x")
        const isGone = stat !== undefined && systemCodeOf(error) === "ENOENT" && !flags.startsWith("r")
        if (!isTaken && !isGone) throw error
      }
    }
  }
}

const NAMES = [
  "open",
  "rename",
  "link",
  "unlink",
  "rm",
  "rmdir",
  "readdir",
  "mkdir",
  "stat",
  "access",
  "truncate",
  "readFile",
  "writeFile",
  "appendFile",
] as const satisfies readonly (keyof FsPromises)[]

async function emptied(file: FileHandle): Promise<FileHandle> {
  try {
    await file.truncate(0)
    return file
  } catch (error) {
    await file.close()
    throw error
  }
}

/** Undefined for what has nothing above it. */
function parentOf(path: string): string | undefined {
  const trimmed = path.replace(/\/+$/, "")
  const slash = trimmed.lastIndexOf("/")
  if (slash === -1) return undefined
  return slash === 0 ? (trimmed === "" ? undefined : "/") : trimmed.slice(0, slash)
}
