// A disk in memory behind the contract of `platform/file-system.ts`: a page cache that programs see, a medium that
// survives crashes, and a trace that tells which states a crash could leave. Deterministic: the same calls and the same
// seed give the same outcomes.
//
// What a crash keeps follows POSIX and nothing kinder: whatever was not synced may be kept, lost or torn, sector by sector
// and name by name, in any order (durable-state.ts). Not here: rights, symbolic links, times.

import { invariant } from "../model/invariant.ts"
import type { DirectoryLock, FileHandle, FileMode, FileStat, FileSystem, LockRefusal } from "../platform/file-system.ts"
import { inOrder, type CompletionOrder } from "./completion-order.ts"
import { candidateOf, sampleOf, StateBuilder } from "./crash-candidates.ts"
import type { PendingUnit } from "./disk-changes.ts"
import { DiskCore } from "./disk-core.ts"
import { normalPath, parentPath } from "./disk-path.ts"
import type { DiskTrace, Operation } from "./disk-trace.ts"
import { DiskTree } from "./disk-tree.ts"
import { FaultPlan, type Fault } from "./fault-plan.ts"
import { createName, linkName, removeDirectoryName, renameName, unlinkName } from "./name-operations.ts"
import { OperationRunner } from "./operation-runner.ts"
import { SimulatedFile } from "./simulated-file.ts"
import { SimulatedRandom } from "./simulated-random.ts"
import { systemError } from "./system-error.ts"
import { TraceRecorder } from "./trace-recorder.ts"

export interface SimulatedDiskOptions {
  /** Decides the lengths of short transfers, and samples. Default 0. */
  readonly seed?: number
  /** When operations end. Default: in the order in which they began. */
  readonly completion?: CompletionOrder
  /** Room for files, in bytes. Default: no bound. */
  readonly capacityBytes?: number
  /** Whether the trace is kept, which crash states need. Default true. */
  readonly keepsTrace?: boolean
  /** Whether a second operation in flight on one file is refused with an InvariantViolation. Default true. */
  readonly watchesUse?: boolean
  /** What a refused lock says of the holder. */
  readonly owner?: string
  readonly faults?: readonly Fault[]
}

/**
 * - "kill": the process dies, the machine lives: everything written is kept and still not durable.
 * - "nothing", "everything": the power goes, with none or all of what was pending kept.
 * - "sample": with a random part of it kept, maybe torn.
 */
export type CrashKind = "kill" | "nothing" | "everything" | "sample"

interface DiskState {
  readonly cache: DiskTree
  readonly medium: DiskTree
  readonly pending: readonly PendingUnit[]
}

const OWNER_DEFAULT = "pid 1 on host simulation since 2026-01-01T00:00:00.000Z"

export class SimulatedDisk implements FileSystem {
  readonly #options: SimulatedDiskOptions
  readonly #core: DiskCore
  /** Numbers of the directories that are locked, and the holders' words. */
  readonly #locks = new Map<number, string>()

  /** An empty disk. */
  constructor(options: SimulatedDiskOptions = {}, state?: DiskState) {
    const { cache, medium, pending } = state ?? emptyState()
    const { keepsTrace = true, watchesUse = true, completion = inOrder } = options
    const recorder = new TraceRecorder(medium, pending, keepsTrace)
    const runner = new OperationRunner(new FaultPlan(options.faults), recorder, completion, watchesUse)
    this.#options = options
    this.#core = new DiskCore(cache, runner, new SimulatedRandom(options.seed ?? 0), options.capacityBytes)
  }

  /** A disk with this on its medium, and nothing pending. */
  static holding(tree: DiskTree, options: SimulatedDiskOptions = {}): SimulatedDisk {
    return new SimulatedDisk(options, { cache: new DiskTree(tree), medium: tree, pending: [] })
  }

  // The contract.

  open(path: string, mode: FileMode): Promise<FileHandle> {
    const { cache, runner } = this.#core
    return runner.run({ name: "open", path, detail: () => mode }, (twist) => {
      if (mode === "create") {
        this.#core.checkOpenFileCount(path)
        const change = createName(cache, path, "file")
        return { result: this.#opened(change.node, path, mode, twist === "part"), changes: [change] }
      }
      const node = this.#find(path, "open")
      if (cache.directory(node) !== undefined) throw systemError("EISDIR", "open", path)
      this.#core.checkOpenFileCount(path)
      return { result: this.#opened(node, path, mode, twist === "part") }
    })
  }

  rename(source: string, target: string): Promise<void> {
    const { cache, runner } = this.#core
    return runner.run({ name: "rename", path: source, detail: () => `to ${target}` }, () => {
      const renamed = renameName(cache, source, target)
      if (renamed?.replaced !== undefined) this.#core.freeIfUnused(renamed.replaced)
      return { result: undefined, changes: renamed === undefined ? [] : [renamed.change] }
    })
  }

  link(source: string, target: string): Promise<void> {
    const { cache, runner } = this.#core
    return runner.run({ name: "link", path: source, detail: () => `to ${target}` }, () => {
      return { result: undefined, changes: [linkName(cache, source, target)] }
    })
  }

  unlink(path: string): Promise<void> {
    return this.#core.runner.run({ name: "unlink", path }, () => {
      const change = unlinkName(this.#core.cache, path)
      this.#core.freeIfUnused(change.node)
      return { result: undefined, changes: [change] }
    })
  }

  list(path: string): Promise<readonly string[]> {
    return this.#core.runner.run({ name: "list", path }, () => {
      const entries = this.#core.cache.directory(this.#findDirectory(path, "scandir"))?.entries
      return { result: [...(entries?.keys() ?? [])].sort() }
    })
  }

  stat(path: string): Promise<FileStat | undefined> {
    const { cache, runner } = this.#core
    return runner.run<FileStat | undefined>({ name: "stat", path }, () => {
      const node = cache.lookup(path, "stat")
      if (node === undefined) return { result: undefined }
      const file = cache.file(node)
      return { result: file === undefined ? { kind: "directory", size: 0 } : { kind: "file", size: file.size } }
    })
  }

  // The steps of the real one, so that a crash can come between any two of them.
  async makeDirectory(path: string): Promise<void> {
    const missing: string[] = []
    let existing = normalPath(path)
    for (;;) {
      const stat = await this.stat(existing)
      if (stat?.kind === "directory") break
      missing.push(existing)
      existing = parentPath(existing)
    }
    if (existing !== "/") await this.syncDirectory(parentPath(existing))
    for (const directory of missing.reverse()) {
      await this.createDirectory(directory)
      await this.syncDirectory(parentPath(directory))
    }
  }

  /** Makes one directory, as POSIX does: its name is not durable before its parent is synced. */
  createDirectory(path: string): Promise<void> {
    return this.#core.runner.run({ name: "makeDirectory", path }, () => {
      return { result: undefined, changes: [createName(this.#core.cache, path, "directory")] }
    })
  }

  removeDirectory(path: string): Promise<void> {
    const { cache, runner } = this.#core
    return runner.run({ name: "removeDirectory", path }, () => {
      const change = removeDirectoryName(cache, path)
      this.#core.freeIfUnused(change.node)
      return { result: undefined, changes: [change] }
    })
  }

  syncDirectory(path: string): Promise<void> {
    return this.#core.runner.run({ name: "syncDirectory", path }, (twist) => {
      const directory = this.#findDirectory(path, "open")
      if (twist === "lie") return { result: undefined }
      return { result: undefined, sync: { kind: "directory", directory, isPartial: twist === "part" } }
    })
  }

  lock(directory: string, fileName: string): Promise<DirectoryLock | LockRefusal> {
    const { cache, runner } = this.#core
    return runner.run<DirectoryLock | LockRefusal>({ name: "lock", path: directory, detail: () => fileName }, () => {
      const node = this.#findDirectory(directory, "lock")
      const heldBy = this.#locks.get(node)
      if (heldBy !== undefined) return { result: { heldBy } }
      const lockPath = this.join(directory, fileName)
      const changes = cache.lookup(lockPath, "lock") === undefined ? [createName(cache, lockPath, "file")] : []
      this.#locks.set(node, this.#options.owner ?? OWNER_DEFAULT)
      return { result: this.#lockOf(node), changes }
    })
  }

  freeBytes(path: string): Promise<number | undefined> {
    return this.#core.runner.run({ name: "freeBytes", path }, () => ({ result: this.#core.freeBytes() }))
  }

  totalBytes(path: string): Promise<number | undefined> {
    return this.#core.runner.run({ name: "totalBytes", path }, () => ({ result: this.#core.capacityBytes }))
  }

  join(directory: string, name: string): string {
    return directory.endsWith("/") ? `${directory}${name}` : `${directory}/${name}`
  }

  // For tests: faults.

  get faults(): FaultPlan {
    return this.#core.runner.faults
  }

  /** Fails the k-th operation, without any effect. */
  failAt(operation: number, error: string): void {
    this.faults.add({ operation, error })
  }

  /** Room for files, in bytes; undefined for no bound. Room comes back when files are unlinked or cut. */
  get capacityBytes(): number | undefined {
    return this.#core.capacityBytes
  }

  set capacityBytes(bytes: number | undefined) {
    this.#core.capacityBytes = bytes
  }

  /** Most files open at a time; more fail with EMFILE. */
  set openFileCountMax(count: number) {
    this.#core.openFileCountMax = count
  }

  /** Turns a bit over, from 0 to 7 of the byte at `offset`, on the medium and in the page cache. */
  flipBit(path: string, offset: number, bit: number): void {
    const node = this.#find(path, "flip")
    const file = this.#core.cache.file(node)
    invariant(file !== undefined && offset >= 0 && offset < file.size, "the bit to flip is in a file")
    this.#core.cache.changeFile(node).flipBit(offset, bit)
    this.#core.runner.recorder.addEvent({ kind: "rot", file: node, offset, bit })
  }

  // For tests: observation.

  /** Operations that have ended. */
  get operationCount(): number {
    return this.#core.runner.completedCount
  }

  /** Events of the trace so far: what happened before a moment, and what after it. */
  get eventCount(): number {
    return this.#core.runner.recorder.eventCount
  }

  /** All operations since the disk was mounted, in the order of their serial numbers. */
  get operations(): readonly Operation[] {
    return this.#core.runner.recorder.operations
  }

  /** Each time that a second operation began on a file in use. */
  get violations(): readonly string[] {
    return this.#core.runner.violations
  }

  get inFlightCount(): number {
    return this.#core.runner.inFlightCount
  }

  get openFileCount(): number {
    return this.#core.openFileCount
  }

  /** Every file with a name, as programs see it: path and bytes. */
  files(): Map<string, Uint8Array> {
    const { cache } = this.#core
    const found = new Map<string, Uint8Array>()
    for (const [path, node] of cache.namedFiles()) found.set(path, cache.file(node)?.bytes() ?? new Uint8Array(0))
    return found
  }

  /** What happened since the disk was mounted, for `crashStates`. Requires: `keepsTrace`. */
  trace(): DiskTrace {
    const trace = this.#core.runner.recorder.trace()
    invariant(trace !== undefined, "the disk keeps its trace")
    return trace
  }

  // For tests: crashes.

  /** Ends this disk: its handles fail with EIO for ever. Returns what the next process finds, unlocked. */
  crash(kind: CrashKind, options: SimulatedDiskOptions = {}): SimulatedDisk {
    const state = this.#state()
    this.#core.runner.kill()
    const inherited = { ...this.#inheritance(), ...options }
    if (kind === "kill") return new SimulatedDisk(inherited, state)
    const { random } = this.#core
    const count = state.pending.length
    const candidate =
      kind === "sample" ? sampleOf(count, random) : candidateOf(kind === "nothing" ? 0 : 1, count, () => random)
    const tree = new StateBuilder(state.medium, state.pending).build(candidate)
    invariant(tree !== undefined, "such a state can always be built")
    tree.sweep(new Set())
    return SimulatedDisk.holding(tree, inherited)
  }

  /** A copy of the disk as it is, pending units and all; this one goes on. */
  snapshot(options: SimulatedDiskOptions = {}): SimulatedDisk {
    return new SimulatedDisk({ ...this.#inheritance(), ...options }, this.#state())
  }

  /** Forgets all locks, as the kernel does when their holders die. */
  unlockAll(): void {
    this.#locks.clear()
  }

  #state(): DiskState {
    const durable = this.#core.runner.recorder.durableState()
    durable.sweep()
    const cache = new DiskTree(this.#core.cache)
    cache.sweep(new Set())
    const pending = durable.pending.map((unit) => ({ ...unit, operation: 0 }))
    return { cache, medium: durable.tree, pending }
  }

  /** The options of the disk that follows this one. Faults are not among them. */
  #inheritance(): SimulatedDiskOptions {
    const { faults: _, ...options } = this.#options
    const { capacityBytes } = this.#core
    const seed = this.#core.random.nextUint32()
    return capacityBytes === undefined ? { ...options, seed } : { ...options, seed, capacityBytes }
  }

  #opened(node: number, path: string, mode: FileMode, isLost: boolean): SimulatedFile {
    // The caller of a failed open gets no handle to close.
    if (!isLost) this.#core.opened(node)
    return new SimulatedFile(this.#core, node, path, mode)
  }

  #lockOf(node: number): DirectoryLock {
    let isHeld = true
    return {
      release: async () => {
        if (isHeld) this.#locks.delete(node)
        isHeld = false
      },
    }
  }

  #find(path: string, syscall: string): number {
    const node = this.#core.cache.lookup(path, syscall)
    if (node === undefined) throw systemError("ENOENT", syscall, path)
    return node
  }

  #findDirectory(path: string, syscall: string): number {
    const node = this.#find(path, syscall)
    if (this.#core.cache.directory(node) === undefined) throw systemError("ENOTDIR", syscall, path)
    return node
  }
}

function emptyState(): DiskState {
  const medium = new DiskTree()
  return { cache: new DiskTree(medium), medium, pending: [] }
}
