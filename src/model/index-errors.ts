// The errors of secondary indexes and of constraints; see errors.ts.

import { OrreryError } from "./errors.ts"

/** The write would have given a key of a unique index to a second record. No trace. */
export class UniqueViolation extends OrreryError {
  override readonly _tag = "UniqueViolation"
  override readonly code = "ORRERY_UNIQUE_VIOLATION"
  override readonly name = "UniqueViolation"
  readonly table: string
  readonly index: string
  /** The index key that can be there only once. */
  readonly value: unknown
  /** The record that was to get it. */
  readonly key: string
  /** The record that has it, or gets it in the same commit. */
  readonly holder: string
  constructor(table: string, index: string, value: unknown, key: string, holder: string) {
    super(
      `"${key}" of table "${table}" cannot have ${textOf(value)} in the unique index "${index}": "${holder}" has it`,
      "Use another value, or change the record that has it, in the same batch or before",
    )
    this.table = table
    this.index = index
    this.value = value
    this.key = key
    this.holder = holder
  }
}

/** The function of an index threw, or returned what is no key of an index. No trace of a write. */
export class IndexKeyRefused extends OrreryError {
  override readonly _tag = "IndexKeyRefused"
  override readonly code = "ORRERY_INDEX_KEY_REFUSED"
  override readonly name = "IndexKeyRefused"
  readonly table: string
  readonly index: string
  /** The record. */
  readonly key: string
  constructor(table: string, index: string, key: string, reason: string, cause?: unknown) {
    super(
      `the index "${index}" of table "${table}" has no place for "${key}": ${reason}`,
      "Mend the value, or let the index's function return undefined for records that are not to be in it",
      cause,
    )
    this.table = table
    this.index = index
    this.key = key
  }
}

/**
 * The index has no room for what a prepared transaction is to write, and gives way to it: there is no index, or it stays
 * failed, and the transaction can be committed.
 */
export class IndexKeyInDoubt extends OrreryError {
  override readonly _tag = "IndexKeyInDoubt"
  override readonly code = "ORRERY_INDEX_KEY_IN_DOUBT"
  override readonly name = "IndexKeyInDoubt"
  readonly table: string
  readonly index: string
  /** The prepared transaction. */
  readonly id: string
  /** The record that it writes. */
  readonly key: string
  /** The index key of that; undefined where the index's function refused the record, and the cause says why. */
  readonly value: unknown
  /** The record that has the same one, or is to get it by a transaction in doubt; undefined in that same case. */
  readonly holder: string | undefined
  constructor(
    table: string,
    index: string,
    { id, key, value, holder }: { id: string; key: string; value?: unknown; holder?: string },
    cause?: unknown,
  ) {
    const why = holder === undefined ? "it does not take" : `as it has "${holder}" for ${textOf(value)}, would refuse`
    super(
      `the index "${index}" of table "${table}", ${why} "${key}", which the prepared transaction "${id}" is to write`,
      "Decide that transaction, mend what contradicts, and make the index anew",
      cause,
    )
    this.table = table
    this.index = index
    this.id = id
    this.key = key
    this.value = value
    this.holder = holder
  }
}

/** The index is being built: it cannot be read, and no value of a unique one can be written. No trace of a write. */
export class IndexBuilding extends OrreryError {
  override readonly _tag = "IndexBuilding"
  override readonly code = "ORRERY_INDEX_BUILDING"
  override readonly name = "IndexBuilding"
  readonly table: string
  readonly index: string
  readonly doneRecords: number
  /** About how many there are. */
  readonly totalRecords: number
  constructor(table: string, index: string, doneRecords: number, totalRecords: number) {
    super(
      `the index "${index}" of table "${table}" is being built: ${doneRecords} of about ${totalRecords} records are in it`,
      "Await table.indexReady() and try again",
    )
    this.table = table
    this.index = index
    this.doneRecords = doneRecords
    this.totalRecords = totalRecords
  }
}

/** There is another index of that name, with another definition. Nothing was changed. */
export class IndexConflict extends OrreryError {
  override readonly _tag = "IndexConflict"
  override readonly code = "ORRERY_INDEX_CONFLICT"
  override readonly name = "IndexConflict"
  readonly table: string
  readonly index: string
  constructor(table: string, index: string) {
    super(
      `table "${table}" has an index "${index}" with another definition`,
      "Use one function, or definitions with the same version, wherever the table is opened; or drop the index first",
    )
    this.table = table
    this.index = index
  }
}

/** There is no index of that name: it was never defined, or has been dropped. */
export class NoSuchIndex extends OrreryError {
  override readonly _tag = "NoSuchIndex"
  override readonly code = "ORRERY_NO_SUCH_INDEX"
  override readonly name = "NoSuchIndex"
  readonly table: string
  readonly index: string
  constructor(table: string, index: string) {
    super(
      `table "${table}" has no index "${index}"`,
      "Name it in the options of store.table, or make it with table.createIndex",
    )
    this.table = table
    this.index = index
  }
}

function textOf(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value)
  return value instanceof Date ? value.toISOString() : String(value)
}
