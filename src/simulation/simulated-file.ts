// An open file of a simulated disk. Every call is an operation of the disk, with its number in the trace; the bytes
// written are copied when the call is made, as the kernel does.

import type { FileHandle, FileMode } from "../platform/file-system.ts"
import type { Change } from "./disk-changes.ts"
import type { DiskCore } from "./disk-core.ts"
import type { OperationName, SyncEffect } from "./disk-trace.ts"
import type { Twist } from "./fault-plan.ts"
import type { FileContent } from "./file-content.ts"
import type { Effect } from "./operation-runner.ts"
import { systemError } from "./system-error.ts"

type Detail = (() => string) | undefined

export class SimulatedFile implements FileHandle {
  // Constant after construction.
  readonly #core: DiskCore
  readonly #node: number
  readonly #path: string
  readonly #mode: FileMode

  #closed: Promise<void> | undefined

  constructor(core: DiskCore, node: number, path: string, mode: FileMode) {
    this.#core = core
    this.#node = node
    this.#path = path
    this.#mode = mode
  }

  read(target: Uint8Array, position: number): Promise<number> {
    return this.#run(
      "read",
      () => `${target.length} at ${position}`,
      [this],
      (twist) => {
        const length = this.#shortened(target.length, twist)
        return { result: this.#content("read").read(target.subarray(0, length), position) }
      },
    )
  }

  write(source: Uint8Array, position: number): Promise<number> {
    return this.#runChange(
      "write",
      () => `${source.length} at ${position}`,
      (twist) => {
        const { result, changes } = this.#take("write", source, position, twist)
        return { result, changes }
      },
    )
  }

  writeSynced(source: Uint8Array, position: number): Promise<number> {
    return this.#runChange(
      "writeSynced",
      () => `${source.length} at ${position}`,
      (twist) => {
        const { result, changes } = this.#take("writeSynced", source, position, twist)
        return { result, changes, ...this.#syncUnless(twist, { kind: "operation", file: this.#node }) }
      },
    )
  }

  dataSync(): Promise<void> {
    return this.#runChange("dataSync", undefined, (twist) => {
      const isPartial = twist === "part"
      return { result: undefined, ...this.#syncUnless(twist, { kind: "file", file: this.#node, isPartial }) }
    })
  }

  truncate(size: number): Promise<void> {
    return this.#runChange(
      "truncate",
      () => `to ${size}`,
      () => {
        this.#checkMode("truncate")
        const file = this.#content("truncate")
        if (file.size === size) return { result: undefined }
        const changes: Change[] = [{ kind: "size", file: this.#node, size, cuts: size < file.size }]
        this.#change((changed) => {
          changed.resize(size)
          changed.clip()
        })
        return { result: undefined, changes }
      },
    )
  }

  size(): Promise<number> {
    return this.#run("size", undefined, [this], () => ({ result: this.#content("size").size }))
  }

  close(): Promise<void> {
    if (this.#closed === undefined) {
      // Whatever becomes of the call, the handle is gone.
      this.#core.closed(this.#node)
      const call = { name: "close", path: this.#path, uses: [this] } as const
      this.#closed = this.#core.runner.run(call, () => ({ result: undefined }))
    }
    return this.#closed
  }

  #runChange<Result>(name: OperationName, detail: Detail, effect: (twist: Twist) => Effect<Result>): Promise<Result> {
    return this.#run(name, detail, [this, this.#node], effect)
  }

  #run<Result>(
    name: OperationName,
    detail: Detail,
    uses: readonly unknown[],
    effect: (twist: Twist) => Effect<Result>,
  ): Promise<Result> {
    const path = this.#path
    if (this.#closed !== undefined) return Promise.reject(systemError("EBADF", name, path))
    return this.#core.runner.run(detail === undefined ? { name, path, uses } : { name, path, uses, detail }, effect)
  }

  /** Takes the bytes into the page cache, as many as the twist and the room allow. */
  #take(
    name: OperationName,
    source: Uint8Array,
    position: number,
    twist: Twist,
  ): { readonly result: number; readonly changes: Change[] } {
    this.#checkMode(name)
    const file = this.#content(name)
    const wanted = this.#shortened(source.length, twist)
    const count = this.#core.roomFor(this.#node, position, wanted)
    if (count === 0 && wanted > 0) throw systemError("ENOSPC", name, this.#path)
    if (count === 0) return { result: 0, changes: [] }
    // A copy: a Buffer's own slice would be a view of memory that the caller uses again.
    const bytes = new Uint8Array(source.subarray(0, count))
    const end = position + count
    const changes: Change[] = []
    // The size first: after a crash a file may be longer than what reached it, never the other way round.
    if (end > file.size) changes.push({ kind: "size", file: this.#node, size: end, cuts: false })
    changes.push({ kind: "data", file: this.#node, position, bytes })
    this.#change((changed) => {
      if (end > changed.size) changed.resize(end)
      changed.write(bytes, position)
    })
    return { result: count, changes }
  }

  #syncUnless(twist: Twist, sync: SyncEffect): { readonly sync?: SyncEffect } {
    if (twist === "forget") return { sync: { kind: "forget", file: this.#node } }
    // Half of a synced write stays in the page cache; half of a data sync has reached the medium.
    return twist === "lie" || (twist === "part" && sync.kind === "operation") ? {} : { sync }
  }

  #shortened(length: number, twist: Twist): number {
    if (length < 2) return length
    if (twist === "part") return length >>> 1
    return twist === "short" ? 1 + this.#core.random.below(length - 1) : length
  }

  #change(change: (file: FileContent) => void): void {
    change(this.#core.cache.changeFile(this.#node))
  }

  #content(name: OperationName): FileContent {
    const file = this.#core.cache.file(this.#node)
    if (file === undefined) throw systemError("EBADF", name, this.#path)
    return file
  }

  #checkMode(name: OperationName): void {
    if (this.#mode === "read") throw systemError("EBADF", name, this.#path)
  }
}
