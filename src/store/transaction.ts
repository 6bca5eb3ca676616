// A transaction: what its function reads and writes, and whether that still holds when it is to commit.
//
// It begins on the turn of a write, so as long as its function runs on that turn it reads the present and nobody writes.
// Where the function goes on later, the transaction has a snapshot of that very state, and reads there. Its own writes lie
// on top, and are seen by nobody else before the commit.
//
// Must not commit: that is the runner's (transact.ts).

import { KIND_DELETE, KIND_PUT } from "../format/record.ts"
import { LimitExceeded } from "../model/errors.ts"
import { invariant } from "../model/invariant.ts"
import { BATCH_OPERATION_COUNT_MAX } from "../model/limits.ts"
import type { ConflictingKey } from "../model/transaction-errors.ts"
import type { TableEntry } from "../table/catalogue.ts"
import type { OpenSnapshot } from "../table/retention.ts"
import type { Operation } from "./commit-session.ts"
import { checkTransactionId } from "./prepared-record.ts"
import type { Claim } from "./prepared-record.ts"
import { ReadSet } from "./read-set.ts"
import { ttlOptionsFrom } from "./expiries.ts"
import type { TableIndex } from "./table-index.ts"
import { TransactionIndexes } from "./transaction-indexes.ts"
import { TableHandle } from "./table-handle.ts"
import type { TableContext } from "./table-context.ts"
import type { TtlOptions } from "./table-options.ts"
import { checkKey } from "./table-view.ts"
import { PRESENT } from "./version-reader.ts"
import type { ReadView } from "./version-reader.ts"
import { WriteSet } from "./write-set.ts"

/**
 * - `serializable`: as if the transactions had run one after the other, in the order of their LSNs.
 * - `snapshot`: reads one state, and commits only if nobody else has changed what it wrote since.
 */
export type Isolation = "serializable" | "snapshot"

type AnyTable = TableHandle<never> | TableHandle

/** Reads and writes as one. Valid only while the function that it was given to runs. */
export interface Transaction {
  /** The value, with the transaction's own writes; a new object with every call. */
  get<Value>(table: TableHandle<Value>, key: string): Value | undefined
  has(table: AnyTable, key: string): boolean
  put<Value>(table: TableHandle<Value>, key: string, value: Value, options?: TtlOptions): void
  delete(table: AnyTable, key: string): void
  /** Sets the key to what `change`, which is synchronous, makes of its value. Its deadline stays. */
  update<Value>(table: TableHandle<Value>, key: string, change: (value: Value | undefined) => Value): void
  /** The keys of a table, in no order. Walks and `size` depend on the whole table. */
  keys(table: AnyTable): IterableIterator<string>
  entries<Value>(table: TableHandle<Value>): IterableIterator<[string, Value]>
  values<Value>(table: TableHandle<Value>): IterableIterator<Value>
  size(table: AnyTable): number
  /**
   * When the function ends, the transaction is prepared under the id instead of committed: written to stable storage, and
   * decided later by `store.commitPrepared(id)` or `store.abortPrepared(id)`, also after a crash. Until then nobody else
   * writes what it wrote or depends on, and nobody sees its writes. `data` is for whoever decides; it is copied.
   */
  prepare(id: string, data?: unknown): void
  /**
   * An index of a table, as the transaction sees it: with its own writes, and at the moment at which it began. It depends on
   * the ranges that it reads there, and not on the whole table. Fails with: NoSuchIndex.
   */
  index<Value, Keys, Name extends keyof Keys & string>(
    table: TableHandle<Value, Keys>,
    name: Name,
  ): TableIndex<Value, Keys[Name]>
  /** Ends the transaction without a trace: throws the reason, and `transact` rejects with it. Default: an AbortError. */
  abort(reason?: unknown): never
}

const CONFLICT_COUNT_MAX = 10
/** How most of them end: without a reason. */
const DONE = { reason: undefined }
const ENDED = "the transaction has ended: use it only while the function that it was given to runs"

export class TransactionState implements Transaction {
  readonly #context: TableContext
  readonly #isolation: Isolation
  // Most transactions end on their turn and need few of these, so each is made when it is wanted.
  /** Where is read, if walks may go on behind the turn. Changes once, from the present to a snapshot of it. */
  #view: { snapshot: OpenSnapshot | undefined; lsn: number } | undefined
  #writes: WriteSet | undefined
  #reads: ReadSet | undefined
  /** Tables that were walked or counted: as a whole, whatever part of them was wanted. */
  #scanned: Set<TableEntry> | undefined
  #prepared: { readonly id: string; readonly data: unknown } | undefined
  #indexes: TransactionIndexes | undefined
  /** Why no more operations are taken. */
  #ended: { readonly reason: unknown } | undefined
  #aborted: { readonly reason: unknown } | undefined

  constructor(context: TableContext, isolation: Isolation) {
    this.#context = context
    this.#isolation = isolation
  }

  get<Value>(table: TableHandle<Value>, key: string): Value | undefined {
    const entry = this.#entryOf(table)
    checkKey(key)
    return this.#get(entry, key) as Value | undefined
  }

  index<Value, Keys, Name extends keyof Keys & string>(
    table: TableHandle<Value, Keys>,
    name: Name,
  ): TableIndex<Value, Keys[Name]> {
    const entry = this.#entryOf(table)
    this.#indexes ??= new TransactionIndexes({
      context: this.#context,
      view: this.#lastingView(),
      writes: this.#ownWrites(),
      isSerializable: this.#isolation === "serializable",
      check: () => this.#check(),
      get: (ofTable, key) => this.#get(ofTable, key),
    })
    return this.#indexes.read(entry, name)
  }

  has(table: AnyTable, key: string): boolean {
    const entry = this.#entryOf(table)
    checkKey(key)
    const own = this.#writes?.get(entry, key)
    if (own !== undefined) return own.kind === KIND_PUT
    this.#noteRead(entry, key)
    return this.#context.versions.has(entry, key, this.#view ?? PRESENT)
  }

  put<Value>(table: TableHandle<Value>, key: string, value: Value, options?: TtlOptions): void {
    this.#entryOf(table)
    const ttl = options === undefined ? undefined : ttlOptionsFrom(options)
    this.#put(table.insertion(key, table.validatedNow(key, value), ttl))
  }

  delete(table: AnyTable, key: string): void {
    this.#entryOf(table)
    this.#write(table.deletion(key))
  }

  update<Value>(table: TableHandle<Value>, key: string, change: (value: Value | undefined) => Value): void {
    if (typeof change !== "function") throw new TypeError("update takes a function of the value")
    const value = table.validatedNow(key, change(this.get(table, key)))
    const own = this.#writes?.get(this.#entryOf(table), key)
    // What it has put itself has a deadline by that put, or none; what it has deleted comes anew.
    if (own === undefined) this.#put(table.replacement(key, value))
    else this.#put(own.kind === KIND_DELETE ? table.insertion(key, value) : { ...own, value })
  }

  keys(table: AnyTable): IterableIterator<string> {
    const entry = this.#scan(table)
    return this.#keysOf(entry)
  }

  entries<Value>(table: TableHandle<Value>): IterableIterator<[string, Value]> {
    const entry = this.#scan(table)
    return this.#entriesOf<Value>(entry)
  }

  *values<Value>(table: TableHandle<Value>): Generator<Value, undefined> {
    for (const [, value] of this.entries(table)) yield value
    return undefined
  }

  size(table: AnyTable): number {
    const entry = this.#scan(table)
    const { versions } = this.#context
    const view = this.#view ?? PRESENT
    let size = versions.size(entry, view)
    for (const { key, kind } of this.#writes?.of(entry).values() ?? []) {
      const isThere = versions.has(entry, key, view)
      if (kind === KIND_PUT && !isThere) size++
      else if (kind === KIND_DELETE && isThere) size--
    }
    return size
  }

  prepare(id: string, data?: unknown): void {
    this.#check()
    checkTransactionId(id)
    if (this.#prepared !== undefined) throw new TypeError("the transaction is to be prepared already, under one id")
    this.#prepared = { id, data: this.#context.writer.copy(data) }
  }

  abort(reason: unknown = new DOMException("the transaction was aborted by its function", "AbortError")): never {
    this.#check()
    this.#aborted = { reason }
    this.end(reason)
    throw reason
  }

  // For the runner.

  /** The function goes on behind the turn that it began on: what it reads is the state of that turn. */
  goOn(snapshot: OpenSnapshot): void {
    const view = this.#lastingView()
    invariant(view.snapshot === undefined, "a transaction has one snapshot")
    view.snapshot = snapshot
    view.lsn = snapshot.lsn
    this.#writes?.replaceAll((operation) => this.#frozen(operation))
  }

  /** No more operations are taken: they fail with the reason, or say that the transaction has ended. */
  end(reason?: unknown): void {
    this.#ended ??= reason === undefined ? DONE : { reason }
  }

  /** Throws the reason that the function has aborted for, though it may have caught that. */
  throwIfAborted(): void {
    if (this.#aborted !== undefined) throw this.#aborted.reason
  }

  /** What it wrote, the last write of each key. */
  operations(): readonly Operation[] {
    return this.#writes?.operations() ?? []
  }

  get hasWrites(): boolean {
    return this.#writes !== undefined && this.#writes.size > 0
  }

  /** The id under which it is to be prepared; undefined where it is to be committed. */
  get preparedId(): string | undefined {
    return this.#prepared?.id
  }

  /** Undefined where it is to be committed. */
  get claim(): Claim | undefined {
    if (this.#prepared === undefined) return undefined
    // A range of an index, and a key of a unique one, is held by holding its table: who would come into it is not known.
    const unique = [...this.#ownWrites().entries()].filter((entry) => this.#context.indexes.hasUnique(entry))
    const scanned = new Set([...(this.#scanned ?? []), ...(this.#indexes?.tables ?? []), ...unique])
    return { ...this.#prepared, operations: this.operations(), reads: this.#reads?.byTable() ?? new Map(), scanned }
  }

  /**
   * What others have changed since the snapshot, of that which the commit depends on: at `serializable` all that was read,
   * at `snapshot` all that is written. At most ten; none: it may commit now.
   */
  conflicts(): readonly ConflictingKey[] {
    const view = this.#view ?? PRESENT
    const { snapshot } = view
    invariant(snapshot !== undefined, "what runs within one turn has no conflicts")
    const { versions } = this.#context
    const found: ConflictingKey[] = []
    for (const entry of this.#scanned ?? []) {
      if (found.length < CONFLICT_COUNT_MAX && versions.hasChanged(entry, snapshot)) {
        found.push({ table: entry.name, key: undefined })
      }
    }
    for (const table of this.#indexes?.conflicts(snapshot) ?? []) {
      if (found.length < CONFLICT_COUNT_MAX) found.push({ table, key: undefined })
    }
    const keys: Map<TableEntry, Iterable<string>> = new Map(this.#reads?.byTable())
    if (this.#isolation === "snapshot") {
      const writes = this.#ownWrites()
      for (const entry of writes.entries()) keys.set(entry, writes.of(entry).keys())
    }
    for (const [entry, wanted] of keys) {
      for (const key of wanted) {
        if (found.length >= CONFLICT_COUNT_MAX) return found
        const before = versions.versionOf(entry, key, view)
        if (versions.versionOf(entry, key, PRESENT) !== before) found.push({ table: entry.name, key })
      }
    }
    return found
  }

  #get(entry: TableEntry, key: string): unknown {
    const own = this.#writes?.get(entry, key)
    if (own !== undefined) return own.kind === KIND_DELETE ? undefined : this.#context.writer.copy(own.value)
    this.#noteRead(entry, key)
    return this.#context.versions.get(entry, key, this.#view ?? PRESENT)
  }

  *#keysOf(entry: TableEntry): Generator<string, undefined> {
    const { versions } = this.#context
    // Before the first step, so that it sees what is written between the steps.
    const view = this.#lastingView()
    const writes = this.#writes?.of(entry)
    // What is written during the walk turns up in its place, if it was there before, or not at all.
    const own = new Set<string>()
    for (const { key, kind } of writes?.values() ?? []) if (kind === KIND_PUT) own.add(key)
    for (const key of versions.keys(entry, view)) {
      this.#check()
      if (!own.has(key) && this.#writes?.get(entry, key)?.kind !== KIND_DELETE) yield key
    }
    for (const key of own) {
      this.#check()
      if (writes?.get(key)?.kind === KIND_PUT) yield key
    }
    return undefined
  }

  *#entriesOf<Value>(entry: TableEntry): Generator<[string, Value], undefined> {
    const { versions, writer } = this.#context
    for (const key of this.#keysOf(entry)) {
      const own = this.#writes?.get(entry, key)
      if (own === undefined) yield [key, versions.get(entry, key, this.#view ?? PRESENT) as Value]
      else if (own.kind === KIND_PUT) yield [key, writer.copy(own.value) as Value]
    }
    return undefined
  }

  #scan(table: AnyTable): TableEntry {
    const entry = this.#entryOf(table)
    if (this.#isolation === "serializable") (this.#scanned ??= new Set()).add(entry)
    return entry
  }

  #noteRead(entry: TableEntry, key: string): void {
    if (this.#isolation !== "serializable") return
    this.#reads ??= new ReadSet()
    const count = this.#reads.note(entry, key)
    if (count > BATCH_OPERATION_COUNT_MAX) throw tooMany("read", count)
  }

  #put(operation: Operation): void {
    this.#write(this.#view?.snapshot === undefined ? operation : this.#frozen(operation))
  }

  #write(operation: Operation): void {
    const writes = this.#ownWrites()
    writes.set(operation)
    if (writes.size > BATCH_OPERATION_COUNT_MAX) throw tooMany("written", writes.size)
  }

  #ownWrites(): WriteSet {
    this.#writes ??= new WriteSet()
    return this.#writes
  }

  /** The view that whoever reads behind the turn keeps: it turns into the snapshot's. */
  #lastingView(): { snapshot: OpenSnapshot | undefined; lsn: number } & ReadView {
    this.#view ??= { ...PRESENT }
    return this.#view
  }

  /** The value as it is now, whatever its owner does to it meanwhile. */
  #frozen(operation: Operation): Operation {
    if (operation.kind === KIND_DELETE) return operation
    return { ...operation, value: this.#context.writer.copy(operation.value) }
  }

  #entryOf(table: unknown): TableEntry {
    this.#check()
    if (!(table instanceof TableHandle)) {
      throw new TypeError("the first argument must be a table, as store.table(name) gives it")
    }
    if (!table.isOf(this.#context)) {
      throw new TypeError(`the table "${table.name}" is another store's: a transaction is of one store`)
    }
    return table.entry
  }

  #check(): void {
    if (this.#ended === undefined) return
    const reason: unknown = this.#ended.reason ?? new TypeError(ENDED)
    throw reason
  }
}

function tooMany(what: string, count: number): LimitExceeded {
  const limit = BATCH_OPERATION_COUNT_MAX
  return new LimitExceeded(`the transaction's count of keys ${what}`, limit, count, "Divide it")
}
