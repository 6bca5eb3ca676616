// What a PREPARE writes: one record in the system table "prepared", under the transaction's id, with everything that its
// COMMIT will write and everything that it holds until then. The layout is normative in docs/file-format.md, 'System
// tables'. Must not read or write tables.

import { KIND_DELETE, KIND_PUT } from "../format/record.ts"
import { KeyRefused, LimitExceeded, UnsupportedFormat } from "../model/errors.ts"
import { KEY_SIZE_MAX, PREPARED_OPERATION_COUNT_MAX, VALUE_SIZE_MAX } from "../model/limits.ts"
import type { Catalogue, TableEntry } from "../table/catalogue.ts"
import type { ExpiryChange, Operation } from "./commit-session.ts"
import type { Holds } from "./held-keys.ts"

/** What a transaction wants to be prepared as. */
export interface Claim {
  readonly id: string
  /** The caller's. */
  readonly data: unknown
  readonly operations: readonly Operation[]
  readonly reads: ReadonlyMap<TableEntry, ReadonlySet<string>>
  readonly scanned: ReadonlySet<TableEntry>
}

/** Tables are named once, and meant by their place in `tables`. */
export interface PreparedRecord {
  readonly version: 1
  readonly data: unknown
  /** By the wall clock. */
  readonly preparedAtMs: number
  readonly tables: readonly string[]
  /** Table, kind, key, value, and what becomes of the key's deadline. A time to live counts from the COMMIT on. */
  readonly operations: readonly (readonly [number, number, string, unknown, ExpiryChange | undefined])[]
  readonly reads: readonly (readonly [number, readonly string[]])[]
  readonly scanned: readonly number[]
}

const VERSION = 1

/** Fails with: LimitExceeded. */
export function recordOf(claim: Claim, preparedAtMs: number): PreparedRecord {
  const { operations } = claim
  if (operations.length > PREPARED_OPERATION_COUNT_MAX) {
    throw new LimitExceeded(
      "the prepared transaction's count of keys written",
      PREPARED_OPERATION_COUNT_MAX,
      operations.length,
      "Divide it",
    )
  }
  const places = new Map<TableEntry, number>()
  const placeOf = (entry: TableEntry): number => {
    const place = places.get(entry) ?? places.size
    places.set(entry, place)
    return place
  }
  const record = {
    version: VERSION,
    data: claim.data,
    preparedAtMs,
    operations: operations.map(
      ({ entry, kind, key, value, expiry }) => [placeOf(entry), kind, key, value, expiry] as const,
    ),
    reads: Array.from(claim.reads, ([entry, keys]) => [placeOf(entry), [...keys]] as const),
    scanned: Array.from(claim.scanned, placeOf),
  } as const
  return { ...record, tables: Array.from(places.keys(), ({ name }) => name) }
}

/** Fails with: UnsupportedFormat. */
export function checkVersion(id: string, record: PreparedRecord): void {
  const version: number = record.version
  if (version === VERSION) return
  throw new UnsupportedFormat("the log", `the prepared transaction "${id}" in version ${version}`, version)
}

/** What its COMMIT writes. */
export function operationsOf({ tables, operations }: PreparedRecord, catalogue: Catalogue): readonly Operation[] {
  return operations.map(([place, kind, key, value, expiry]) => ({
    kind: kind === KIND_DELETE ? KIND_DELETE : KIND_PUT,
    entry: catalogue.entry(tables[place] as string),
    key,
    value,
    ...(expiry === undefined ? {} : { expiry }),
  }))
}

/** What it holds until it is decided. */
export function holdsOf({ tables, operations, reads, scanned }: PreparedRecord, catalogue: Catalogue): Holds {
  const entries = tables.map((name) => catalogue.entry(name))
  const entryAt = (place: number): TableEntry => entries[place] as TableEntry
  const writes = new Map<TableEntry, string[]>()
  for (const [place, , key] of operations) {
    const keys = writes.get(entryAt(place))
    if (keys === undefined) writes.set(entryAt(place), [key])
    else keys.push(key)
  }
  return {
    writes,
    reads: new Map(reads.map(([place, keys]) => [entryAt(place), keys])),
    scanned: scanned.map(entryAt),
  }
}

/** Throws a TypeError. Fails with: KeyRefused, LimitExceeded. */
export function checkTransactionId(id: unknown): asserts id is string {
  if (typeof id !== "string" || id === "") {
    throw new TypeError("the id of a prepared transaction must be a string that is not empty")
  }
  if (!id.isWellFormed()) throw new KeyRefused("holds a lone surrogate, which no encoding can tell from others")
  const size = Buffer.byteLength(id)
  if (size > KEY_SIZE_MAX) {
    throw new LimitExceeded("the transaction id's size in bytes", KEY_SIZE_MAX, size, "Use a shorter id")
  }
}

/** What the codec says of the record, said of the transaction. */
export function explained(error: unknown): unknown {
  if (!(error instanceof LimitExceeded) || error.limit !== VALUE_SIZE_MAX) return error
  const remedy = "Divide it, or keep large values in parts that are written before, and prepare what makes them count"
  return new LimitExceeded("the prepared transaction's size in bytes", VALUE_SIZE_MAX, error.actual, remedy)
}
