// Keys that live for a time only. Each table with such keys has a system table beside it with their deadlines, one record
// a key, written in the very commits that put, overwrite and delete the keys: so deadlines are recovered, checkpointed and
// backed up with them. A record stands under its key's own name, and so in the same shard.
//
// Guarantees: a key has a record if and only if it is to expire. A key goes by a logged delete, together with its record,
// and only if the record says so in the turn of the delete: no put that comes first is lost.
// Must not hide anything: until its delete is committed, a key is there, for everybody alike.

import type { Engine } from "../actors/engine.ts"
import type { ExpiryWork } from "../actors/expiry-actor.ts"
import { KIND_DELETE, KIND_PUT } from "../format/record.ts"
import type { Durability } from "../model/durability.ts"
import { SYSTEM_TABLE_PREFIX } from "../model/system-tables.ts"
import type { TableEntry } from "../table/catalogue.ts"
import type { Deadline } from "../table/deadlines.ts"
import type { Receipt } from "../wal/commit-batch.ts"
import type { Operation } from "./commit-session.ts"
import { record, show } from "./option-checks.ts"
import { PRESENT } from "./version-reader.ts"
import type { VersionReader } from "./version-reader.ts"
import type { WriteRule } from "./write-rule.ts"
import type { Writer } from "./writer.ts"

/** A deadline as it is kept: docs/file-format.md, 'System tables'. */
interface ExpiryRecord {
  readonly version: 1
  /** Milliseconds since 1970. */
  readonly at: number
}

/** What a commit has made of a key so far. */
interface Draft {
  isThere: boolean
  atMs: number | undefined
}

/** Names of the system tables: this, and the name of the table whose keys expire. Format. */
const TABLE_PREFIX: string = `${SYSTEM_TABLE_PREFIX}expiry:`
/** Between two looks at a key that cannot be deleted now. */
const HELD_MS = 1_000
/** A hundred years. */
const TTL_MS_MAX = 100 * 365 * 24 * 60 * 60 * 1000

export class Expiries implements WriteRule, ExpiryWork {
  readonly #engine: Engine
  readonly #writer: Writer
  readonly #versions: VersionReader
  /** The records' table of each table that has, or has had, keys with a deadline; and the other way round. */
  readonly #recordsOf: Map<TableEntry, TableEntry> = new Map()
  readonly #tableOf: Map<TableEntry, TableEntry> = new Map()

  /** Whether a key must not be written at the moment. Set by the store. */
  isHeld: (entry: TableEntry, key: string) => boolean = () => false

  constructor(engine: Engine, writer: Writer, versions: VersionReader) {
    this.#engine = engine
    this.#writer = writer
    this.#versions = versions
    writer.rules.add(this)
    for (const name of engine.catalogue.names()) {
      if (!name.startsWith(TABLE_PREFIX)) continue
      const records = engine.catalogue.entry(name)
      const isUsed = versions.size(records, PRESENT) > 0
      if (isUsed) this.watch(engine.catalogue.entry(name.slice(TABLE_PREFIX.length)))
    }
  }

  /** From now on commits to the table look after deadlines. Fails with: LimitExceeded, where its name is too long for it. */
  watch(entry: TableEntry): TableEntry {
    const known = this.#recordsOf.get(entry)
    if (known !== undefined) return known
    const records = this.#engine.catalogue.entry(TABLE_PREFIX + entry.name)
    this.#recordsOf.set(entry, records)
    this.#tableOf.set(records, entry)
    entry.ruleCount++
    records.ruleCount++
    return records
  }

  /** When the key expires; undefined where it does not. */
  expiresAt(entry: TableEntry, key: string): Date | undefined {
    const records = this.#recordsOf.get(entry)
    const found = records === undefined ? undefined : this.#record(records, key)
    return found === undefined ? undefined : new Date(found.at)
  }

  /** Gives a key that is there another deadline, infinitely far away or not. The value, and its version, stay as they are. */
  async touch(
    entry: TableEntry,
    key: string,
    ttlMs: number,
    durability: Durability,
    signal: AbortSignal | undefined,
  ): Promise<Receipt & { readonly isThere: boolean }> {
    const records = this.watch(entry)
    let isThere = false
    const { lsn } = await this.#writer.update(
      () => {
        isThere = this.#versions.has(entry, key, PRESENT)
        if (!isThere) return []
        if (ttlMs !== Number.POSITIVE_INFINITY) return [recordOf(records, key, this.#deadline(ttlMs))]
        return this.#versions.has(records, key, PRESENT) ? [deletion(records, key)] : []
      },
      durability,
      signal,
    )
    return { lsn, isThere }
  }

  // As a rule: deadlines go into the commit that changes the keys.

  check(operations: readonly Operation[]): readonly Operation[] {
    const [only] = operations
    if (only !== undefined && operations.length === 1) {
      const records = this.#recordsOf.get(only.entry)
      if (records === undefined) return operations
      const change = this.#change(records, only.key, this.#draft(only, records, undefined).atMs)
      return change === undefined ? operations : [only, change]
    }
    return this.#checkAll(operations)
  }

  committed(operations: readonly Operation[]): void {
    const { expiry } = this.#engine
    for (const { kind, entry: records, key, value } of operations) {
      const entry = this.#tableOf.get(records)
      if (entry === undefined) continue
      if (kind === KIND_PUT) expiry.set({ entry, key, atMs: (value as ExpiryRecord).at })
      else expiry.cancel(entry, key)
    }
  }

  // For the actor.

  *deadlines(): Generator<Deadline, undefined> {
    for (const [entry, records] of this.#recordsOf) {
      for (const key of this.#versions.keys(records, PRESENT)) {
        const found = this.#record(records, key)
        if (found !== undefined) yield { entry, key, atMs: found.at }
      }
    }
    return undefined
  }

  async expire(keys: readonly Deadline[], nowMs: number): Promise<number> {
    let count = 0
    const change = (): readonly Operation[] => {
      const deletes: Operation[] = []
      for (const { entry, key } of keys) {
        const found = this.#record(this.watch(entry), key)
        if (found === undefined) continue
        // A transaction in doubt holds it: it goes when that is decided, or a moment later.
        if (this.isHeld(entry, key)) this.#engine.expiry.set({ entry, key, atMs: nowMs + HELD_MS })
        else if (found.at <= nowMs) deletes.push(deletion(entry, key))
        else this.#engine.expiry.set({ entry, key, atMs: found.at })
      }
      count = deletes.length
      return deletes
    }
    // Nobody waits for it: it goes to the disk with what others write, or soon.
    await this.#writer.update(change, "memory", undefined)
    return count
  }

  #checkAll(operations: readonly Operation[]): readonly Operation[] {
    let drafts: Map<TableEntry, Map<string, Draft>> | undefined
    for (const operation of operations) {
      const { entry, key } = operation
      const records = this.#recordsOf.get(entry)
      if (records === undefined) continue
      drafts ??= new Map()
      let ofTable = drafts.get(entry)
      if (ofTable === undefined) drafts.set(entry, (ofTable = new Map()))
      ofTable.set(key, this.#draft(operation, records, ofTable.get(key)))
    }
    if (drafts === undefined) return operations
    const added: Operation[] = []
    for (const [entry, ofTable] of drafts) {
      const records = this.watch(entry)
      for (const [key, { atMs }] of ofTable) {
        const change = this.#change(records, key, atMs)
        if (change !== undefined) added.push(change)
      }
    }
    return added.length === 0 ? operations : [...operations, ...added]
  }

  /** What makes the key's record say that, if it does not say so. */
  #change(records: TableEntry, key: string, atMs: number | undefined): Operation | undefined {
    if (this.#record(records, key)?.at === atMs) return undefined
    return atMs === undefined ? deletion(records, key) : recordOf(records, key, atMs)
  }

  #draft({ kind, entry, key, expiry }: Operation, records: TableEntry, before: Draft | undefined): Draft {
    if (kind === KIND_DELETE) return { isThere: false, atMs: undefined }
    if (expiry === undefined) return { isThere: true, atMs: undefined }
    if (expiry.isKept) {
      if (before?.isThere === true) return before
      if (before === undefined && this.#versions.has(entry, key, PRESENT)) {
        return { isThere: true, atMs: this.#record(records, key)?.at }
      }
    }
    const { ttlMs } = expiry
    return { isThere: true, atMs: ttlMs === Number.POSITIVE_INFINITY ? undefined : this.#deadline(ttlMs) }
  }

  #deadline(ttlMs: number): number {
    return Math.ceil(this.#engine.expiry.nowMs() + ttlMs)
  }

  #record(records: TableEntry, key: string): ExpiryRecord | undefined {
    return this.#versions.get(records, key, PRESENT) as ExpiryRecord | undefined
  }
}

/** A time to live in milliseconds, if there is one. Throws a TypeError. */
export function ttlFrom(value: unknown): number | undefined {
  if (value === undefined) return undefined
  const isFinite = typeof value === "number" && value >= 1 && value <= TTL_MS_MAX
  if (isFinite || value === Number.POSITIVE_INFINITY) return value
  throw new TypeError(`ttl must be from 1 to ${TTL_MS_MAX} milliseconds, or Infinity, not ${show(value)}`)
}

/** The same from the options of a put in a batch or transaction. */
export function ttlOptionsFrom(options: unknown): number | undefined {
  return ttlFrom(record("options", options, ["ttl"])["ttl"])
}

function recordOf(records: TableEntry, key: string, at: number): Operation {
  return { kind: KIND_PUT, entry: records, key, value: { version: 1, at } satisfies ExpiryRecord }
}

function deletion(entry: TableEntry, key: string): Operation {
  return { kind: KIND_DELETE, entry, key, value: undefined }
}
