// A table, as users hold it. Knows its schema and its durability; everything else is the engine's.

import { KIND_DELETE, KIND_PUT } from "../format/record.ts"
import type { Durability } from "../model/durability.ts"
import { SchemaMismatch } from "../model/errors.ts"
import { ConditionFailed } from "../model/transaction-errors.ts"
import type { ChangeStream } from "../streams/change-stream.ts"
import type { TableChangesOptions } from "../streams/changes-options.ts"
import type { LiveQuery } from "../streams/live-query.ts"
import type { LiveWatch } from "../streams/live-watch.ts"
import type { TableEntry } from "../table/catalogue.ts"
import type { Receipt } from "../wal/commit-batch.ts"
import type { ExpiryChange, Operation } from "./commit-session.ts"
import { ttlFrom } from "./expiries.ts"
import type { Version } from "./history.ts"
import { definitionFrom } from "./index-definition.ts"
import type { AnyKeys, IndexDefinition, KeyOfDefinition } from "./index-definition.ts"
import type { LiveIndexOptions } from "./followed-index.ts"
import { liveJoin, liveQuery, liveWatch } from "./live-options.ts"
import type { LiveJoinOptions, LiveOptions } from "./live-options.ts"
import type { MerkleProof } from "../merkle/merkle-proof.ts"
import type { MerkleCallOptions } from "./options.ts"
import { durabilityFrom, record } from "./option-checks.ts"
import { checkKey, TableView } from "./table-view.ts"
import { incremented } from "./counter.ts"
import { describeIssues } from "./standard-schema.ts"
import type { StandardSchema } from "./standard-schema.ts"
import type { TableContext } from "./table-context.ts"
import type { DeleteOptions, PutManyOptions, PutOptions, TableOptions, WriteOptions } from "./table-options.ts"
import type { TableIndex } from "./table-index.ts"
import type { CreateIndexOptions, IndexInfo } from "./table-indexes.ts"
import { PRESENT } from "./version-reader.ts"
import type { Versioned } from "./version-reader.ts"

const WRITE_OPTIONS = ["durability", "signal"]
const DELETE_OPTIONS = [...WRITE_OPTIONS, "ifVersion"]
const PUT_MANY_OPTIONS = [...WRITE_OPTIONS, "ttl"]
const PUT_OPTIONS = [...DELETE_OPTIONS, "ifAbsent", "ttl"]

export class TableHandle<Value = unknown, Keys = AnyKeys> extends TableView<Value> {
  readonly #context: TableContext
  readonly #entry: TableEntry
  readonly #schema: StandardSchema<unknown, Value> | undefined
  readonly #durability: Durability
  /** Undefined: for ever. */
  readonly #ttlMs: number | undefined
  /** Whether a put needs nothing but its key and value. */
  readonly #isPlain: boolean

  constructor(
    context: TableContext,
    entry: TableEntry,
    durability: Durability,
    options: Pick<TableOptions<Value>, "schema" | "durability" | "ttl">,
  ) {
    super(context.reader, entry)
    this.#context = context
    this.#entry = entry
    this.#schema = options.schema
    this.#durability = options.durability ?? durability
    this.#ttlMs = ttlFrom(options.ttl)
    this.#isPlain = this.#schema === undefined && this.#ttlMs === undefined
  }

  /** Whether it is a table of the store with that context. For batches. */
  isOf(context: TableContext): boolean {
    return this.#context === context
  }

  /** For transactions. */
  get entry(): TableEntry {
    return this.#entry
  }

  /**
   * Sets the key to the value. Seen by the next `get`; resolves when it is as durable as asked.
   *
   * Requires: a well-formed string of at most 4,096 bytes as key, a value that structured clone takes and that can be
   * given back exactly. The value is encoded within the call: changing it afterwards has no effect.
   * Fails with: KeyRefused, ValueRefused, SchemaMismatch, LimitExceeded, Overloaded, WriteRejected, CommitUnknown,
   * StoreClosed; with `ifVersion` or `ifAbsent` also ConditionFailed.
   */
  put(key: string, value: Value, options?: PutOptions): Promise<Receipt> {
    if (options === undefined && this.#isPlain && typeof key === "string") {
      return this.#context.writer.put(this.#entry, key, value, this.#durability, undefined)
    }
    return this.#write([{ key, value }], options, PUT_OPTIONS)
  }

  /** Sets all the entries in one atomic commit, under one promise: the fastest way to write much. */
  putMany(entries: Iterable<readonly [string, Value]>, options?: PutManyOptions): Promise<Receipt> {
    if (entries === undefined || entries === null)
      throw new TypeError("putMany takes entries: pairs of a key and a value")
    if (options === undefined && this.#isPlain) {
      const list = Array.isArray(entries) ? entries : Array.from(entries)
      if (list.every(isEntry)) return this.#context.writer.putMany(this.#entry, list, this.#durability)
    }
    return this.#write(
      Array.from(entries, ([key, value]) => ({ key, value })),
      options,
      PUT_MANY_OPTIONS,
    )
  }

  /** Removes the key. Logged, and seen by subscribers, also where there is none. Fails like `put`. */
  async delete(key: string, options?: DeleteOptions): Promise<Receipt> {
    const { durability, signal } = this.#optionsFrom(options, DELETE_OPTIONS)
    return this.#context.writer.write([this.deletion(key)], durability, signal, this.#condition(key, options))
  }

  /** The value, and the LSN of the commit that wrote it: for `put` with `ifVersion`. Fails like `get`. */
  getVersioned(key: string): Versioned<Value> {
    checkKey(key)
    return this.#context.versions.getVersioned(this.#entry, key) as Versioned<Value>
  }

  /**
   * Sets the key to what `change` makes of its value, as one step: nothing is written in between. `change` is called
   * once, when the write's turn has come, and must be synchronous; what it throws rejects the update. The key's deadline
   * stays; a new key has the table's.
   */
  async update(key: string, change: (value: Value | undefined) => Value, options?: WriteOptions): Promise<Receipt> {
    const { durability, signal } = this.#optionsFrom(options)
    checkKey(key)
    if (typeof change !== "function") throw new TypeError("update takes a function of the value")
    return this.#context.writer.update(
      () => {
        return [this.replacement(key, this.validatedNow(key, change(this.get(key))))]
      },
      durability,
      signal,
    )
  }

  /**
   * Adds to the number or bigint that the key holds, nothing counting as zero; resolves to what it became. Increments
   * never conflict: each is done in the turn of its write. The key's deadline stays; a new key has the table's. Fails like
   * `put`, and with NotACounter.
   */
  async increment(
    key: string,
    by: number | bigint = 1,
    options?: WriteOptions,
  ): Promise<Receipt & { readonly value: number | bigint }> {
    const { durability, signal } = this.#optionsFrom(options)
    checkKey(key)
    if (typeof by !== "bigint" && !Number.isFinite(by)) throw new TypeError("by must be a finite number or a bigint")
    let value: number | bigint = 0
    const { lsn } = await this.#context.writer.update(
      () => {
        value = incremented(this.name, key, this.get(key), by)
        return [this.replacement(key, this.validatedNow(key, value))]
      },
      durability,
      signal,
    )
    return { lsn, value }
  }

  /** When the key expires, if it does. From then on it is there for a moment at most: docs/ttl.md. Fails like `get`. */
  expiresAt(key: string): Date | undefined {
    checkKey(key)
    return this.#context.expiries.expiresAt(this.#entry, key)
  }

  /**
   * Lets the key expire after `ttl` milliseconds from now on, whatever deadline it had. Its value and its version stay, and
   * subscribers hear nothing. `isThere`: whether there is such a key. Fails like `put`.
   */
  async touch(
    key: string,
    options: WriteOptions & { readonly ttl: number },
  ): Promise<Receipt & { readonly isThere: boolean }> {
    const { durability, signal } = this.#optionsFrom(options, PUT_MANY_OPTIONS)
    checkKey(key)
    const ttlMs = ttlFrom(options?.ttl)
    if (ttlMs === undefined) throw new TypeError("touch takes a ttl; persist takes the deadline away")
    return this.#context.expiries.touch(this.#entry, key, ttlMs, durability, signal)
  }

  /** Takes the key's deadline away: it stays for ever. Otherwise like `touch`. */
  async persist(key: string, options?: WriteOptions): Promise<Receipt & { readonly isThere: boolean }> {
    const { durability, signal } = this.#optionsFrom(options)
    checkKey(key)
    return this.#context.expiries.touch(this.#entry, key, Number.POSITIVE_INFINITY, durability, signal)
  }

  /** Durable changes of this table from a position on; see `Store.changes`. */
  changes(options: TableChangesOptions = {}): ChangeStream<Value> {
    return this.#context.changes({ ...options, table: this.name }) as ChangeStream<Value>
  }

  /**
   * The rows that match, in their order, kept up to date with every durable commit at the cost of the change; see
   * `LiveQuery`. With `index` only those in a part of an index: `{ index: "city", equals: "London" }`, or a `range`. Ends
   * with `close`. Fails with: LimitExceeded, NoSuchIndex, StoreClosed; the query itself with QueryFailed.
   */
  live<Row = Value, Name extends keyof Keys & string = keyof Keys & string>(
    options: LiveOptions<Value, Row> & LiveIndexOptions<Name, Keys[Name]> = {},
  ): LiveQuery<Row> {
    return liveQuery(this.#context.live, this.name, options)
  }

  /** Each row with the row of another table whose key it names, kept up to date on both sides; see `live`. */
  join<Other, Row, Name extends keyof Keys & string = keyof Keys & string>(
    other: TableHandle<Other>,
    options: LiveJoinOptions<Value, Other, Row> & LiveIndexOptions<Name, Keys[Name]>,
  ): LiveQuery<Row> {
    if (!(other instanceof TableHandle) || !other.isOf(this.#context)) {
      throw new TypeError("join takes a table of the same store")
    }
    return liveJoin(this.#context.live, this.name, other.name, options)
  }

  /** The value of a key, durable, now and after each change; see `live`. */
  watch(key: string): LiveWatch<Value> {
    checkKey(key)
    return liveWatch(this.#context.live, this.name, key)
  }

  /**
   * The durable versions of a key, oldest first: as far back as the log is kept, or behind an LSN. A version that is older
   * than the log, and still holds, is not among them: open the past for it.
   *
   * Fails with: CursorExpired when the log does not reach back so far, Restarting, StoreClosed, Corruption, StorageFailed.
   */
  history(key: string, options: { readonly after?: number } = {}): AsyncIterableIterator<Version<Value>> {
    checkKey(key)
    record("options", options, ["after"])
    const { after } = options
    if (after !== undefined && !(Number.isSafeInteger(after) && after >= 0)) {
      throw new TypeError("after must be an LSN: a whole number from 0")
    }
    return this.#context.history<Value>(this.#entry, key, after)
  }

  /**
   * An index of the table, whichever handle has defined it. Seen by its reads: every commit that `get` sees.
   * Fails with: NoSuchIndex.
   */
  index<Name extends keyof Keys & string>(name: Name): TableIndex<Value, Keys[Name]> {
    return this.#context.indexes.read(this.#entry, name)
  }

  /**
   * Makes an index of a table that is in use, and resolves to it when it can be read. Writes go on meanwhile; if it is
   * unique, those that contradict what is in it so far are refused.
   *
   * Fails with: IndexConflict, UniqueViolation and IndexKeyRefused by what is in the table, LimitExceeded, StoreClosed, the
   * signal's reason, what `onProgress` throws; there is no index then.
   */
  async createIndex<const Definition>(
    name: string,
    definition: Definition & IndexDefinition<Value>,
    options: CreateIndexOptions = {},
  ): Promise<TableIndex<Value, KeyOfDefinition<Definition>>> {
    record("options", options, ["onProgress", "signal"])
    await this.#context.indexes.of(this.#entry).create(definitionFrom(name, definition), options)
    return this.#context.indexes.read(this.#entry, name)
  }

  /** Takes an index away, and with it what it has refused if it was unique. Fails with: NoSuchIndex. */
  dropIndex(name: string): void {
    this.#context.indexes.of(this.#entry).drop(name)
  }

  /** The indexes of the table, with their size and how far those that are being built have come. */
  indexes(): readonly IndexInfo[] {
    return this.#context.indexes.of(this.#entry).infos()
  }

  /** Resolves when every index can be read. Fails with: UniqueViolation, IndexKeyRefused, NoSuchIndex, StoreClosed. */
  indexReady(): Promise<void> {
    return this.#context.indexes.of(this.#entry).ready()
  }

  /**
   * A proof that the key is there, and the digest of its value, or that it is not: plain data, for `verifyProof` with the
   * root of `store.merkleRoot()`. Fails as `merkleRoot` does.
   */
  prove(key: string, options: MerkleCallOptions = {}): Promise<MerkleProof> {
    return this.#context.prove(this.#entry, key, options)
  }

  /** The value as the schema gives it back; a promise where the schema is asynchronous. Throws SchemaMismatch. */
  validated(key: string, value: unknown): Value | Promise<Value> {
    if (this.#schema === undefined) return value as Value
    const settle = (result: Awaited<ReturnType<StandardSchema<unknown, Value>["~standard"]["validate"]>>): Value => {
      if (result.issues === undefined) return result.value
      throw new SchemaMismatch(this.name, key, describeIssues(result.issues))
    }
    const result = this.#schema["~standard"].validate(value)
    return result instanceof Promise ? result.then(settle) : settle(result)
  }

  /** The same for those who cannot wait. Throws a TypeError where the schema is asynchronous. */
  validatedNow(key: string, value: unknown): Value {
    const validated = this.validated(key, value)
    if (!(validated instanceof Promise)) return validated
    validated.catch(() => undefined)
    throw new TypeError(
      `the schema of table "${this.name}" is asynchronous, which a read and write as one cannot wait for`,
    )
  }

  /** For a batch. `ttl`: as a user gives it. Throws a TypeError. */
  insertion(key: string, value: unknown, ttl?: number): Operation {
    checkKey(key)
    const ttlMs = ttlFrom(ttl) ?? this.#ttlMs
    if (ttlMs === undefined) return { kind: KIND_PUT, entry: this.#entry, key, value }
    return this.#expiring(key, value, { ttlMs, isKept: false })
  }

  /** The same for a value that was made of the one before, and has its deadline. */
  replacement(key: string, value: unknown): Operation {
    checkKey(key)
    return this.#expiring(key, value, { ttlMs: this.#ttlMs ?? Number.POSITIVE_INFINITY, isKept: true })
  }

  /** For a batch. */
  deletion(key: string): Operation {
    checkKey(key)
    return { kind: KIND_DELETE, entry: this.#entry, key, value: undefined }
  }

  async #write(
    items: readonly { key: string; value: unknown }[],
    options: PutOptions | undefined,
    allowed: readonly string[],
  ): Promise<Receipt> {
    const { durability, signal } = this.#optionsFrom(options, allowed)
    const condition = this.#condition(items[0]?.key ?? "", options)
    const validated = items.map(({ key, value }) => {
      checkKey(key)
      return this.validated(key, value)
    })
    const values = validated.some((value) => value instanceof Promise) ? await Promise.all(validated) : validated
    const operations = items.map(({ key }, index) => this.insertion(key, values[index], options?.ttl))
    return this.#context.writer.write(operations, durability, signal, condition)
  }

  #expiring(key: string, value: unknown, expiry: ExpiryChange): Operation {
    if (expiry.ttlMs !== Number.POSITIVE_INFINITY) this.#context.expiries.watch(this.#entry)
    return { kind: KIND_PUT, entry: this.#entry, key, value, expiry }
  }

  /** What is to be looked at in the turn of the write. */
  #condition(key: string, options: PutOptions | undefined): (() => void) | undefined {
    const { ifVersion, ifAbsent } = options ?? {}
    if (ifAbsent !== undefined && typeof ifAbsent !== "boolean") throw new TypeError("ifAbsent must be a boolean")
    if (ifVersion !== undefined && !(Number.isSafeInteger(ifVersion) && ifVersion >= 0)) {
      throw new TypeError("ifVersion must be a version: a whole number from 0")
    }
    if (ifAbsent === true && ifVersion !== undefined && ifVersion > 0) {
      throw new TypeError("a key cannot be absent and have a version: use ifAbsent or ifVersion")
    }
    const expected = ifAbsent === true ? 0 : ifVersion
    if (expected === undefined) return undefined
    return () => {
      const version = this.#context.versions.versionOf(this.#entry, key, PRESENT)
      if (version !== expected) throw new ConditionFailed(this.name, key, expected, version)
    }
  }

  #optionsFrom(
    options: WriteOptions | undefined,
    allowed: readonly string[] = WRITE_OPTIONS,
  ): { durability: Durability; signal: AbortSignal | undefined } {
    if (options === undefined) return { durability: this.#durability, signal: undefined }
    record("options", options, allowed)
    return { durability: durabilityFrom("durability", options.durability) ?? this.#durability, signal: options.signal }
  }
}

function isEntry(entry: unknown): entry is readonly [string, unknown] {
  return Array.isArray(entry) && typeof entry[0] === "string"
}
