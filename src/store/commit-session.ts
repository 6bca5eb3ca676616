// Writes the records of one commit behind the batch that fills, and makes them a commit only when all of them are
// there. Whatever fails before that leaves no trace: the batch does not know of the bytes, and the definitions that the
// commit would have carried are taken back.

import type { Engine } from "../actors/engine.ts"
import { FLAG_CONTINUES, KIND_DELETE, KIND_PUT } from "../format/record.ts"
import { RecordWalk } from "../format/record-walk.ts"
import type { RecordWriter } from "../format/record-writer.ts"
import type { ShapeDefinition } from "../format/shape-registry.ts"
import type { Durability } from "../model/durability.ts"
import { LimitExceeded } from "../model/errors.ts"
import { invariant, probe } from "../model/invariant.ts"
import { BATCH_OPERATION_COUNT_MAX, COMMIT_SIZE_MAX } from "../model/limits.ts"
import { shardOf } from "../physics/placement.ts"
import type { TableEntry } from "../table/catalogue.ts"
import type { CommitBatch, Receipt } from "../wal/commit-batch.ts"
import type { GroupCommit } from "../wal/group-commit.ts"

/** One operation of a commit. */
export interface Operation {
  readonly kind: typeof KIND_PUT | typeof KIND_DELETE
  readonly entry: TableEntry
  readonly key: string
  readonly value: unknown
  /** What becomes of the key's deadline (expiries.ts). Undefined: it has none any more. */
  readonly expiry?: ExpiryChange
}

/** How long a put key is to live. */
export interface ExpiryChange {
  /** Milliseconds; infinity: without an end. */
  readonly ttlMs: number
  /** A key that is there keeps the deadline that it has, or has none; `ttlMs` is for one that is new. */
  readonly isKept: boolean
}

export class CommitSession {
  readonly #engine: Engine
  readonly #writer: RecordWriter
  readonly #walk: RecordWalk
  // Changed by run() and what it calls; meaningless in between.
  #position = 0
  #count = 0
  #entries: TableEntry[] = []
  #shapes: ShapeDefinition[] = []

  constructor(engine: Engine, writer: RecordWriter) {
    this.#engine = engine
    this.#writer = writer
    this.#walk = new RecordWalk({ bytes: Buffer.alloc(0), words: new Uint32Array(0) })
  }

  /** Commits the operations as one. Throws what encoding them throws. */
  run(commit: GroupCommit, operations: readonly Operation[], durability: Durability): Promise<Receipt> {
    const lsn = commit.nextLsn
    const batch = this.add(commit, operations, durability)
    return batch.receiptAt(lsn, durability)
  }

  /** The same, and returns the batch that they went into. */
  add(commit: GroupCommit, operations: readonly Operation[], durability: Durability): CommitBatch {
    if (operations.length > BATCH_OPERATION_COUNT_MAX) {
      throw new LimitExceeded(
        "the batch's count of operations",
        BATCH_OPERATION_COUNT_MAX,
        operations.length,
        "Divide it",
      )
    }
    this.#position = commit.batch.position
    this.#count = 0
    if (this.#entries.length > 0) this.#entries = []
    if (this.#shapes.length > 0) this.#shapes = []
    try {
      for (const operation of operations) this.#add(commit, operation)
    } catch (error) {
      while (this.#entries.length > 0) this.#engine.catalogue.undefine(this.#entries.pop() as TableEntry)
      if (this.#shapes.length > 0) this.#engine.catalogue.shapes.restorePending(this.#shapes)
      throw error
    }
    const lsn = commit.nextLsn
    if (this.#count === 1) {
      // Its hash is known still.
      const { buffer, position } = commit.batch
      const { shards } = this.#engine
      shards[shardOf(this.#writer.hash, shards.length)]?.tables?.apply(buffer, position, lsn)
    } else this.#note(commit, this.#position)
    return commit.add(this.#position, this.#count, durability)
  }

  /** Makes the records behind the filling batch, up to `end`, its next commit: hands them to the shards, and commits. */
  finish(commit: GroupCommit, end: number, recordCount: number, durability: Durability): Promise<Receipt> {
    this.#note(commit, end)
    return commit.commit(end, recordCount, durability)
  }

  /** Hands the records behind the filling batch to the shards. */
  #note(commit: GroupCommit, end: number): void {
    const { shards } = this.#engine
    const { buffer, position } = commit.batch
    const lsn = commit.nextLsn
    this.#walk.reset(buffer, position, end, lsn)
    while (this.#walk.next()) {
      const { kind } = this.#walk
      if (kind !== KIND_PUT && kind !== KIND_DELETE) continue
      shards[shardOf(this.#walk.hash, shards.length)]?.tables?.apply(buffer, this.#walk.offset, lsn)
    }
  }

  #add(commit: GroupCommit, operation: Operation): void {
    const { entry, key } = operation
    if (entry.id === 0) this.#defineTable(commit, entry)
    this.#defineShapes(commit)
    for (;;) {
      const { batch } = commit
      const end = this.#write(batch.buffer, operation, key)
      if (end < 0) {
        this.#makeRoom(commit)
        continue
      }
      if (this.#engine.catalogue.shapes.hasPending) {
        // The value uses a shape that it has just taught: the definition comes first.
        this.#defineShapes(commit)
        continue
      }
      this.#advance(commit, end)
      return
    }
  }

  #write(buffer: GroupCommit["batch"]["buffer"], operation: Operation, key: string): number {
    const { entry } = operation
    if (operation.kind === KIND_DELETE) return this.#writer.delete(buffer, this.#position, this.#flags, entry.id, key)
    return this.#writer.put(buffer, this.#position, this.#flags, entry.id, key, operation.value, entry.compressFrom)
  }

  #defineTable(commit: GroupCommit, entry: TableEntry): void {
    const id = this.#engine.catalogue.nextId()
    const name = entry.name
    this.#retry(commit, () => this.#writer.defineTable(commit.batch.buffer, this.#position, this.#flags, id, name))
    this.#engine.catalogue.define(id, name)
    this.#entries.push(entry)
  }

  #defineShapes(commit: GroupCommit): void {
    const { shapes } = this.#engine.catalogue
    if (!shapes.hasPending) return
    for (const shape of shapes.takePending()) {
      this.#shapes.push(shape)
      this.#retry(commit, () =>
        this.#writer.defineShape(commit.batch.buffer, this.#position, this.#flags, shape.id, shape.fields),
      )
    }
  }

  #retry(commit: GroupCommit, write: () => number): void {
    let end = write()
    while (end < 0) {
      this.#makeRoom(commit)
      end = write()
    }
    this.#advance(commit, end)
  }

  #advance(commit: GroupCommit, end: number): void {
    const size = end - commit.batch.position
    if (size > COMMIT_SIZE_MAX) {
      throw new LimitExceeded("the commit's size in bytes", COMMIT_SIZE_MAX, size, "Divide it into several commits")
    }
    this.#position = end
    this.#count++
  }

  #makeRoom(commit: GroupCommit): void {
    probe("a batch grows for a large commit")
    const hasGrown = commit.makeRoom()
    invariant(hasGrown, "I7: a commit of the largest size fits behind the largest backlog")
  }

  get #flags(): number {
    return this.#count === 0 ? 0 : FLAG_CONTINUES
  }
}
