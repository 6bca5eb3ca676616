// A file system over one crash state, for recoveries that nobody looks into: what SimulatedDisk is, without a trace, faults,
// open files or a medium of its own, and so at a tenth of the cost. Reads and writes as SimulatedDisk does, errors
// included: crash-exploration.ts holds a share of what recovers here against the other.

import {
  createName,
  linkName,
  removeDirectoryName,
  renameName,
  unlinkName,
} from "../../src/simulation/name-operations.ts"
import { normalPath, parentPath } from "../../src/simulation/disk-path.ts"
import { DiskTree } from "../../src/simulation/disk-tree.ts"
import { systemError } from "../../src/simulation/system-error.ts"
import type {
  DirectoryLock,
  FileHandle,
  FileMode,
  FileStat,
  FileSystem,
  LockRefusal,
} from "../../src/platform/file-system.ts"

export class StateDisk implements FileSystem {
  /** Files whose size was asked for, and whose bytes were read: with the names, all that was seen of the state. */
  readonly measured: Set<string> = new Set()
  readonly read: Set<string> = new Set()
  readonly #tree: DiskTree
  /** Numbers of what was not in the state: nothing of the state is seen in it. */
  readonly #made: Set<number>
  readonly #locked = new Set<number>()

  /** What is written stays in a tree of its own; or, where `disk` is given, is written on that one, and watched anew. */
  constructor(state: DiskTree, disk?: StateDisk) {
    this.#tree = disk === undefined ? new DiskTree(state) : disk.#tree
    this.#made = disk === undefined ? new Set() : disk.#made
  }

  /** Adds what another has looked at. */
  look({ read, measured }: { readonly read: Iterable<string>; readonly measured: Iterable<string> }): void {
    for (const path of read) this.read.add(path)
    for (const path of measured) this.measured.add(path)
  }

  async open(path: string, mode: FileMode): Promise<FileHandle> {
    if (mode === "create") return new StateFile(this.#tree, this.#make(path, "file"), mode, undefined)
    const node = this.#find(path, "open")
    if (this.#tree.file(node) === undefined) throw systemError("EISDIR", "open", path)
    const onLook = this.#made.has(node) ? undefined : (): void => void this.read.add(path)
    return new StateFile(this.#tree, node, mode, onLook)
  }

  async rename(source: string, target: string): Promise<void> {
    renameName(this.#tree, source, target)
  }

  async link(source: string, target: string): Promise<void> {
    linkName(this.#tree, source, target)
  }

  async unlink(path: string): Promise<void> {
    unlinkName(this.#tree, path)
  }

  async list(path: string): Promise<readonly string[]> {
    const node = this.#find(path, "scandir")
    const directory = this.#tree.directory(node)
    if (directory === undefined) throw systemError("ENOTDIR", "scandir", path)
    return [...directory.entries.keys()].sort()
  }

  async stat(path: string): Promise<FileStat | undefined> {
    const node = this.#tree.lookup(path, "stat")
    if (node === undefined) return undefined
    const file = this.#tree.file(node)
    if (file === undefined) return { kind: "directory", size: 0 }
    if (this.#made.has(node)) return { kind: "file", size: file.size }
    const { measured } = this
    const { size } = file
    return {
      kind: "file",
      // Most of those who ask want to know whether it is there, and that the names tell.
      get size(): number {
        measured.add(path)
        return size
      },
    }
  }

  async makeDirectory(path: string): Promise<void> {
    const missing: string[] = []
    for (let at = normalPath(path); (await this.stat(at))?.kind !== "directory"; at = parentPath(at)) missing.push(at)
    for (const directory of missing.reverse()) this.#make(directory, "directory")
  }

  async removeDirectory(path: string): Promise<void> {
    removeDirectoryName(this.#tree, path)
  }

  async syncDirectory(path: string): Promise<void> {
    if (this.#tree.directory(this.#find(path, "open")) === undefined) throw systemError("ENOTDIR", "open", path)
  }

  async lock(directory: string, fileName: string): Promise<DirectoryLock | LockRefusal> {
    const node = this.#find(directory, "lock")
    if (this.#locked.has(node)) return { heldBy: "this process" }
    const path = this.join(directory, fileName)
    if (this.#tree.lookup(path, "lock") === undefined) this.#make(path, "file")
    this.#locked.add(node)
    return { release: async () => void this.#locked.delete(node) }
  }

  async freeBytes(): Promise<undefined> {}

  async totalBytes(): Promise<undefined> {}

  join(directory: string, name: string): string {
    return directory.endsWith("/") ? `${directory}${name}` : `${directory}/${name}`
  }

  #make(path: string, of: "file" | "directory"): number {
    const { node } = createName(this.#tree, path, of)
    this.#made.add(node)
    return node
  }

  #find(path: string, syscall: string): number {
    const node = this.#tree.lookup(path, syscall)
    if (node === undefined) throw systemError("ENOENT", syscall, path)
    return node
  }
}

/** Stays what it is when its name goes. */
class StateFile implements FileHandle {
  readonly #tree: DiskTree
  readonly #node: number
  readonly #mode: FileMode
  /** Told when what it holds is looked at. */
  readonly #onLook: (() => void) | undefined

  constructor(tree: DiskTree, node: number, mode: FileMode, onLook: (() => void) | undefined) {
    this.#tree = tree
    this.#node = node
    this.#mode = mode
    this.#onLook = onLook
  }

  async read(target: Uint8Array, position: number): Promise<number> {
    this.#onLook?.()
    return this.#tree.file(this.#node)?.read(target, position) ?? 0
  }

  async write(source: Uint8Array, position: number): Promise<number> {
    this.#requireWritable("write")
    const file = this.#tree.changeFile(this.#node)
    if (position + source.length > file.size) file.resize(position + source.length)
    file.write(source, position)
    return source.length
  }

  writeSynced(source: Uint8Array, position: number): Promise<number> {
    return this.write(source, position)
  }

  async dataSync(): Promise<void> {}

  async truncate(size: number): Promise<void> {
    this.#requireWritable("truncate")
    const file = this.#tree.changeFile(this.#node)
    file.resize(size)
    file.clip()
  }

  async size(): Promise<number> {
    this.#onLook?.()
    return this.#tree.file(this.#node)?.size ?? 0
  }

  async close(): Promise<void> {}

  #requireWritable(syscall: string): void {
    if (this.#mode === "read") throw systemError("EBADF", syscall, "")
  }
}
