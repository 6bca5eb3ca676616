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
  recordSizeWithin,
} from "../format/record.ts"
import type { RecordBuffer } from "../format/record.ts"
import { damageOf } from "../format/value-damaged.ts"
import { ValueDecoder } from "../format/value-decoder.ts"
import { KEY_SIZE_MAX, VALUE_SIZE_MAX } from "../model/limits.ts"
import type { Catalogue } from "../table/catalogue.ts"
import { takeDefinition } from "../table/definitions.ts"

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
      const size = recordSizeWithin(buffer, at, end)
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

  #record(buffer: RecordBuffer, at: number): string | undefined {
    const { words, bytes } = buffer
    const kind = bytes[at + RECORD_KIND] as number
    const id = words[(at >>> 2) + 3] as number
    switch (kind) {
      case KIND_PUT:
        return this.#operation(buffer, at, id, true)
      case KIND_DELETE:
        return words[(at >>> 2) + 1] === 0 ? this.#operation(buffer, at, id, false) : "a delete with a value"
      case KIND_DEFINE_TABLE:
      case KIND_DEFINE_SHAPE:
        return takeDefinition(this.#catalogue, buffer, at)
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
      return damageOf(error)
    }
  }
}
