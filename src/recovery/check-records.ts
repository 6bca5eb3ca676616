// Checks the records of frames and checkpoints one by one: that they fill their place, are of a known kind, name what is
// defined, carry the right hash, and hold a value that can be read back. What the log's checksums have vouched for and
// that fails here is a defect of who wrote it, or follows from definitions that were lost.

import { hashKeyBytes } from "../format/key-hash.ts"
import type { HashSecret } from "../format/key-hash.ts"
import {
  FLAG_CONTINUES,
  KIND_DEFINE_SHAPE,
  KIND_DEFINE_TABLE,
  KIND_DELETE,
  KIND_PUT,
  RECORD_FLAGS,
  RECORD_HEADER_SIZE,
  RECORD_KIND,
  recordSize,
} from "../format/record.ts"
import type { RecordBuffer } from "../format/record.ts"
import { decodeShapeFields } from "../format/shape-registry.ts"
import { ValueDamaged } from "../format/value-damaged.ts"
import { ValueDecoder } from "../format/value-decoder.ts"
import { KEY_SIZE_MAX, SHAPE_COUNT_MAX, TABLE_COUNT_MAX, TABLE_NAME_SIZE_MAX, VALUE_SIZE_MAX } from "../model/limits.ts"
import type { Catalogue } from "../table/catalogue.ts"

/** One commit of a frame. */
export interface CheckedCommit {
  readonly lsn: number
  /** Its records in the frame's buffer. */
  readonly start: number
  end: number
  /** The first thing that is wrong with it, or undefined. */
  problem: string | undefined
}

export interface CheckedFrame {
  readonly commits: readonly CheckedCommit[]
  readonly recordCount: number
  /** What is wrong with the frame as a whole: then none of its commits can be told from the others. */
  readonly problem: string | undefined
}

export class RecordChecker {
  readonly #secret: HashSecret
  readonly #catalogue: Catalogue
  readonly #decoder: ValueDecoder

  /** Definitions are taken into the catalogue as they are met. */
  constructor(secret: HashSecret, catalogue: Catalogue) {
    this.#secret = secret
    this.#catalogue = catalogue
    this.#decoder = new ValueDecoder(catalogue.shapes)
  }

  /** The payload of a frame of commits. */
  frame(
    buffer: RecordBuffer,
    start: number,
    end: number,
    header: { readonly firstLsn: number; readonly commitCount: number; readonly recordCount: number },
  ): CheckedFrame {
    const commits: CheckedCommit[] = []
    let recordCount = 0
    let commit: CheckedCommit | undefined
    for (let at = start; at < end;) {
      const size = sizeAt(buffer, at, end)
      if (size === undefined) return { commits, recordCount, problem: "records do not fill their frame" }
      const flags = buffer.bytes[at + RECORD_FLAGS] as number
      if ((flags & FLAG_CONTINUES) === 0) {
        commit = { lsn: header.firstLsn + commits.length, start: at, end: at, problem: undefined }
        commits.push(commit)
      }
      if (commit === undefined) return { commits, recordCount, problem: "the frame begins inside a commit" }
      commit.problem ??= (flags & ~FLAG_CONTINUES) === 0 ? this.#record(buffer, at) : `unknown flags ${flags}`
      at += size
      commit.end = at
      recordCount++
    }
    const isRight = commits.length === header.commitCount && recordCount === header.recordCount
    const problem = isRight
      ? undefined
      : `${commits.length} commits of ${recordCount} records, the frame says ${header.commitCount} of ${header.recordCount}`
    return { commits, recordCount, problem }
  }

  /** A record as a table keeps it, that is known to lie in the buffer whole. Returns what is wrong with it. */
  kept(buffer: RecordBuffer, at: number, tableId: number, throughLsn: number): string | undefined {
    const { words } = buffer
    const lsn = ((words[(at >>> 2) + 2] as number) >>> 16) * 0x1_0000_0000 + (words[(at >>> 2) + 3] as number)
    if (lsn < 1 || lsn > throughLsn) return `a record of LSN ${lsn}`
    return this.#operation(buffer, at, tableId, true)
  }

  /** Definitions of a checkpoint. Returns what is wrong with them, or how many there are. */
  definitions(buffer: RecordBuffer, start: number, end: number): string | number {
    let count = 0
    for (let at = start; at < end; count++) {
      const size = sizeAt(buffer, at, end)
      if (size === undefined) return "records do not fill their block"
      const kind = buffer.bytes[at + RECORD_KIND]
      if (kind !== KIND_DEFINE_TABLE && kind !== KIND_DEFINE_SHAPE) return `kind ${kind} among the definitions`
      const problem = this.#record(buffer, at)
      if (problem !== undefined) return problem
      at += size
    }
    return count
  }

  #record(buffer: RecordBuffer, at: number): string | undefined {
    const word = at >>> 2
    const kind = buffer.bytes[at + RECORD_KIND] as number
    const id = buffer.words[word + 3] as number
    const keyStart = at + RECORD_HEADER_SIZE
    const keyEnd = keyStart + ((buffer.words[word + 2] as number) & 0xffff)
    const valueEnd = keyEnd + (buffer.words[word + 1] as number)
    switch (kind) {
      case KIND_PUT:
        return this.#operation(buffer, at, id, true)
      case KIND_DELETE:
        return valueEnd > keyEnd ? "a delete with a value" : this.#operation(buffer, at, id, false)
      case KIND_DEFINE_TABLE:
        return valueEnd > keyEnd ? "a table with a value" : this.#defineTable(buffer.bytes, id, keyStart, keyEnd)
      case KIND_DEFINE_SHAPE:
        return keyEnd > keyStart ? "a shape with a key" : this.#defineShape(buffer.bytes, id, keyEnd, valueEnd)
      default:
        return `a record of kind ${kind}, which is unknown`
    }
  }

  #operation(buffer: RecordBuffer, at: number, tableId: number, hasValue: boolean): string | undefined {
    const { bytes, words } = buffer
    const valueSize = words[(at >>> 2) + 1] as number
    const keySize = (words[(at >>> 2) + 2] as number) & 0xffff
    const keyStart = at + RECORD_HEADER_SIZE
    const keyEnd = keyStart + keySize
    if (this.#catalogue.byId(tableId) === undefined) return `the table ${tableId}, which is not defined`
    if (keySize > KEY_SIZE_MAX) return `a key of ${keySize} bytes`
    if (valueSize > VALUE_SIZE_MAX) return `a value of ${valueSize} bytes`
    if (hashKeyBytes(this.#secret, bytes, keyStart, keyEnd) !== words[at >>> 2]) return "a hash that is not its key's"
    if (!hasValue) return undefined
    try {
      this.#decoder.decode(bytes, keyEnd, keyEnd + valueSize)
      return undefined
    } catch (error) {
      return whatIsDamaged(error)
    }
  }

  #defineTable(bytes: Buffer, id: number, keyStart: number, keyEnd: number): string | undefined {
    const size = keyEnd - keyStart
    if (size < 1 || size > TABLE_NAME_SIZE_MAX) return `a table name of ${size} bytes`
    if (id < 1 || id > TABLE_COUNT_MAX) return `a table of number ${id}`
    const entry = this.#catalogue.entry(bytes.utf8Slice(keyStart, keyEnd))
    const known = this.#catalogue.byId(id)
    if (known !== undefined && known !== entry) return `the table ${id} is defined again, under another name`
    if (entry.id !== 0 && entry.id !== id) return `a table is defined again, under the number ${id}`
    this.#catalogue.define(id, entry.name)
    return undefined
  }

  #defineShape(bytes: Buffer, id: number, start: number, end: number): string | undefined {
    if (id >= SHAPE_COUNT_MAX) return `a shape of number ${id}`
    try {
      const fields = decodeShapeFields(bytes, start, end)
      const { shapes } = this.#catalogue
      const known = shapes.fieldsOf(id)
      if (known !== undefined && !isSameList(known, fields))
        return `the shape ${id} is defined again, with other fields`
      shapes.define(id, fields)
      return undefined
    } catch (error) {
      return whatIsDamaged(error)
    }
  }
}

/** Size of the record at `at`, or undefined where it does not end before `end`. */
export function sizeAt(buffer: RecordBuffer, at: number, end: number): number | undefined {
  if (at + RECORD_HEADER_SIZE > end) return undefined
  const valueSize = buffer.words[(at >>> 2) + 1] as number
  if (valueSize > end - at) return undefined
  const size = recordSize((buffer.words[(at >>> 2) + 2] as number) & 0xffff, valueSize)
  return at + size > end ? undefined : size
}

export function isSameList(left: readonly string[], right: readonly string[]): boolean {
  return left.length === right.length && left.every((field, index) => field === right[index])
}

function whatIsDamaged(error: unknown): string {
  if (error instanceof ValueDamaged) return error.message
  throw error
}
