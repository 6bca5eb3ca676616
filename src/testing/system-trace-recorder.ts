// Keeps what system calls did to a directory as the trace of a simulated disk, so that the same crash states can be made
// of it.
//
// POSIX syncs what a call names and nothing else. ext4 and XFS have a journal: a sync that has to write the file's own
// metadata writes all names that were changed before it, too. Only then: a data sync of bytes that were overwritten in
// place writes no journal.

import type { Change } from "../simulation/disk-changes.ts"
import { fileOf } from "../simulation/disk-changes.ts"
import type { DiskTrace, Operation, OperationName, SyncEffect, TraceEvent } from "../simulation/disk-trace.ts"
import { DiskTree } from "../simulation/disk-tree.ts"

/** What an ended call leaves to be done, when the program learns of it. */
export type Ending = () => void

/** When the metadata of a file was last changed: what a data sync needs of it, and all of it. Serials of operations. */
interface FileChange {
  needed: number
  any: number
}

export class SystemTraceRecorder {
  /** What programs see. Changed by whoever records. */
  readonly cache: DiskTree
  readonly #base: DiskTree
  readonly #events: TraceEvent[] = []
  readonly #operations: Operation[] = []
  readonly #hasJournal: boolean
  readonly #changedFiles = new Map<number, FileChange>()
  /** Directories with names that a journal would have to write, and the operation that changed one last. */
  readonly #changedDirectories = new Map<number, number>()

  constructor(base: DiskTree, hasJournal: boolean) {
    this.#base = base
    this.cache = new DiskTree(base)
    this.#hasJournal = hasJournal
  }

  get eventCount(): number {
    return this.#events.length
  }

  trace(): DiskTrace {
    return { base: this.#base, basePending: [], events: this.#events, operations: this.#operations }
  }

  /** A call that changes something, from its entry on. */
  change(name: OperationName, path: string, detail: string, changes: readonly Change[]): number {
    const serial = this.#begin(name, path, detail, "done", changes)
    for (const change of changes) this.#remember(change, serial)
    return serial
  }

  ended(serial: number, sync?: SyncEffect): void {
    this.#events.push({ kind: "complete", operation: serial, ...(sync === undefined ? {} : { sync }) })
  }

  /** A write that is synced before it ends. */
  syncedWrite(path: string, detail: string, file: number, changes: readonly Change[]): Ending {
    const serial = this.change("writeSynced", path, detail, changes)
    const journal = this.#journalFor(file, serial, true)
    return () => {
      journal()
      this.ended(serial, { kind: "operation", file })
    }
  }

  syncFile(path: string, detail: string, file: number, isDataOnly: boolean, error: string | undefined): Ending {
    const serial = this.#begin("dataSync", path, detail, error ?? "done", [])
    if (error !== undefined) return () => this.ended(serial, { kind: "forget", file })
    const journal = this.#journalFor(file, serial, isDataOnly)
    return () => {
      journal()
      this.ended(serial, { kind: "file", file })
    }
  }

  syncDirectory(path: string, directory: number, error: string | undefined): Ending {
    const serial = this.#begin("syncDirectory", path, "", error ?? "done", [])
    if (error !== undefined) return () => this.ended(serial)
    const hasChanged = this.#hasJournal && this.#changedDirectories.has(directory)
    const journal = hasChanged ? this.#journal(serial) : nothing
    return () => {
      journal()
      this.ended(serial, { kind: "directory", directory })
    }
  }

  /** sync and syncfs. */
  syncEverything(): Ending {
    const endings = [...this.#changedFiles.keys()].map((file) => this.syncFile("", "sync", file, false, undefined))
    const names = this.#journal(this.#begin("syncDirectory", "/", "sync", "done", []))
    return () => {
      for (const ending of endings) ending()
      names()
    }
  }

  #begin(name: OperationName, path: string, detail: string, outcome: string, changes: readonly Change[]): number {
    const serial = this.#operations.length + 1
    this.#operations.push({ serial, name, path, detail, outcome })
    this.#events.push({ kind: "issue", operation: serial, changes })
    return serial
  }

  #remember(change: Change, serial: number): void {
    const file = fileOf(change) ?? ("node" in change ? change.node : undefined)
    if (file !== undefined && this.cache.directory(file) === undefined) {
      const before = this.#changedFiles.get(file) ?? { needed: 0, any: 0 }
      const isNeeded = change.kind === "size" || change.kind === "create"
      this.#changedFiles.set(file, { needed: isNeeded ? serial : before.needed, any: serial })
    }
    if (change.kind === "create" || change.kind === "unlink") {
      this.#changedDirectories.set(change.place.directory, serial)
    } else if (change.kind === "rename") {
      this.#changedDirectories.set(change.source.directory, serial)
      this.#changedDirectories.set(change.target.directory, serial)
    }
  }

  #journalFor(file: number, serial: number, isDataOnly: boolean): Ending {
    const changed = this.#changedFiles.get(file)
    if (changed === undefined || !this.#hasJournal) return nothing
    return (isDataOnly ? changed.needed : changed.any) === 0 ? nothing : this.#journal(serial)
  }

  /** Writes the names that were changed before the operation. They are on their way from here on. */
  #journal(serial: number): Ending {
    const operations = [...this.#changedDirectories.keys()].map((directory) => ({
      directory,
      operation: this.#begin("syncDirectory", "", "by the journal", "done", []),
    }))
    return () => {
      for (const { directory, operation } of operations) {
        this.ended(operation, { kind: "directory", directory })
        if ((this.#changedDirectories.get(directory) ?? Infinity) <= serial) this.#changedDirectories.delete(directory)
      }
      for (const changed of this.#changedFiles.values()) {
        if (changed.needed <= serial) changed.needed = 0
        if (changed.any <= serial) changed.any = 0
      }
    }
  }
}

function nothing(): void {
  // A file whose metadata are written already needs no journal.
}
