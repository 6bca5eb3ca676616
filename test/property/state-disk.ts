// A file system over one crash state, for recoveries that nobody looks into: what SimulatedDisk is, without a trace, faults,
// open files or a medium of its own, and so at a tenth of the cost. Reads and writes as SimulatedDisk does, errors
// included: crash-exploration.ts holds a share of what recovers here against the other, and a test compares the two.

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
  /** Paths whose size was asked for, and whose bytes could be read: with the names, all that was seen of the state. */
  readonly measured: Set<string> = new Set()
  readonly opened: Set<string> = new Set()
  readonly #tree: DiskTree
  readonly #locked = new Set<number>()

  /** What is written stays in a tree of its own. */
  constructor(state: DiskTree) {
    this.#tree = new DiskTree(state)
  }

  async open(path: string, mode: FileMode): Promise<FileHandle> {
    if (mode === "create") return new StateFile(this.#tree, createName(this.#tree, path, "file").node, mode)
    const node = this.#find(path, "open")
    if (this.#tree.file(node) === undefined) throw systemError("EISDIR", "open", path)
    this.opened.add(path)
    return new StateFile(this.#tree, node, mode)
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
    this.measured.add(path)
    const node = this.#tree.lookup(path, "stat")
    if (node === undefined) return undefined
    const file = this.#tree.file(node)
    return file === undefined ? { kind: "directory", size: 0 } : { kind: "file", size: file.size }
  }

  async makeDirectory(path: string): Promise<void> {
    const missing: string[] = []
    for (let at = normalPath(path); (await this.stat(at))?.kind !== "directory"; at = parentPath(at)) missing.push(at)
    for (const directory of missing.reverse()) createName(this.#tree, directory, "directory")
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
    if (this.#tree.lookup(path, "lock") === undefined) createName(this.#tree, path, "file")
    this.#locked.add(node)
    return { release: async () => void this.#locked.delete(node) }
  }

  async freeBytes(): Promise<undefined> {}

  async totalBytes(): Promise<undefined> {}

  join(directory: string, name: string): string {
    return directory.endsWith("/") ? `${directory}${name}` : `${directory}/${name}`
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

  constructor(tree: DiskTree, node: number, mode: FileMode) {
    this.#tree = tree
    this.#node = node
    this.#mode = mode
  }

  async read(target: Uint8Array, position: number): Promise<number> {
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
    return this.#tree.file(this.#node)?.size ?? 0
  }

  async close(): Promise<void> {}

  #requireWritable(syscall: string): void {
    if (this.#mode === "read") throw systemError("EBADF", syscall, "")
  }
}
