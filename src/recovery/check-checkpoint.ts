// Reads a checkpoint and proves every record of it: the blocks by their checksums, the records by their order, their
// hashes and their values, all of them by the Merkle root, where there is one. Constant memory, but for the definitions
// and what the root takes.

import type { CheckpointDirectory, CheckpointInfo } from "../checkpoint/checkpoint-files.ts"
import { CheckpointReader } from "../checkpoint/checkpoint-reader.ts"
import type { CheckpointBlock } from "../checkpoint/checkpoint-reader.ts"
import {
  BLOCK_DEFINITIONS,
  BLOCK_HEADER_SIZE,
  BLOCK_PAYLOAD_SIZE_MAX,
  HEAD_PAYLOAD_SIZE,
} from "../format/checkpoint-block.ts"
import { checkpointFile } from "../format/file-names.ts"
import type { HashSecret } from "../format/key-hash.ts"
import { RECORD_HEADER_SIZE, recordSizeWithin } from "../format/record.ts"
import { Corruption } from "../model/errors.ts"
import { invariant } from "../model/invariant.ts"
import type { MerkleVerdict } from "../model/merkle.ts"
import type { Platform } from "../platform/platform.ts"
import { Catalogue } from "../table/catalogue.ts"
import { takeDefinitions } from "../table/definitions.ts"
import { mixHash } from "../table/index-segment.ts"
import { NO_ROOT, RootCheck } from "./check-root.ts"
import { RecordChecker } from "./check-records.ts"
import type { LogPlace } from "./survey-log.ts"

export interface CheckedCheckpoint {
  readonly number: number
  /** What the head says; undefined where the head is damaged. */
  readonly throughLsn: number | undefined
  /** Undefined: it is good. */
  readonly problem: LogPlace | undefined
  /** Undefined where it is damaged. */
  readonly info: CheckpointInfo | undefined
  readonly catalogue: Catalogue
  /** Whether its records have the Merkle root that was written with it. Where that failed, there is a problem too. */
  readonly merkle: MerkleVerdict
}

/** `onBlock` is told how far into the file it has come. Fails with: StorageFailed, and what `onBlock` throws. */
export async function checkCheckpoint(
  directory: CheckpointDirectory,
  number: number,
  secret: HashSecret,
  onBlock: (doneBytes: number) => void,
  { sha256, compression }: Pick<Platform, "sha256" | "compression">,
): Promise<CheckedCheckpoint> {
  const file = checkpointFile(number)
  const catalogue = new Catalogue(compression)
  let throughLsn: number | undefined
  let verdict = NO_ROOT
  const damaged = (offset: number, what: string): CheckedCheckpoint => {
    const problem = { file, offset, lsn: throughLsn ?? 0, what }
    return { number, throughLsn, problem, info: undefined, catalogue, merkle: verdict }
  }
  try {
    const reader = await CheckpointReader.open(directory, number)
    throughLsn = reader.throughLsn
    try {
      const check = new BlockCheck(secret, catalogue, throughLsn)
      let offset = BLOCK_HEADER_SIZE + HEAD_PAYLOAD_SIZE
      for (let block = await reader.next(); block !== undefined; block = await reader.next()) {
        if (reader.root !== undefined) check.root ??= new RootCheck(reader.root, catalogue, sha256)
        const what = check.problemIn(block)
        if (what !== undefined) return damaged(offset, what)
        offset += BLOCK_HEADER_SIZE + block.end - block.start
        onBlock(offset)
      }
      verdict = check.root?.verdict() ?? NO_ROOT
      if (verdict.result === "failed") return damaged(0, verdict.reason)
      return { number, throughLsn, problem: undefined, info: reader.info, catalogue, merkle: verdict }
    } finally {
      await reader.close()
    }
  } catch (error) {
    if (error instanceof Corruption) return damaged(error.offset, error.found)
    throw error
  }
}

class BlockCheck {
  /** Set before the first record. */
  root: RootCheck | undefined
  readonly #catalogue: Catalogue
  readonly #checker: RecordChecker
  readonly #throughLsn: number
  #tableId = 0
  #mixed = -1
  /** Keys of the records that share the mixed hash. */
  readonly #keys = new Set<string>()

  constructor(secret: HashSecret, catalogue: Catalogue, throughLsn: number) {
    this.#catalogue = catalogue
    this.#checker = new RecordChecker(secret, catalogue)
    this.#throughLsn = throughLsn
  }

  problemIn(block: CheckpointBlock): string | undefined {
    const { kind, tableId, recordCount, buffer, start, end } = block
    invariant(end - start <= BLOCK_PAYLOAD_SIZE_MAX, "I7: a block has a bound")
    if (kind === BLOCK_DEFINITIONS) return takeDefinitions(this.#catalogue, buffer, start, end)
    if (tableId !== this.#tableId) {
      this.#tableId = tableId
      this.#mixed = -1
    }
    let count = 0
    for (let at = start; at < end; count++) {
      const size = recordSizeWithin(buffer, at, end)
      if (size === undefined) return "records do not fill their block"
      const mixed = mixHash(buffer.words[at >>> 2] as number)
      if (mixed < this.#mixed) return "records out of order"
      if (mixed > this.#mixed) this.#keys.clear()
      this.#mixed = mixed
      const keySize = (buffer.words[(at >>> 2) + 2] as number) & 0xffff
      const key = buffer.bytes.latin1Slice(at + RECORD_HEADER_SIZE, at + RECORD_HEADER_SIZE + keySize)
      if (this.#keys.has(key)) return "a key that is there twice"
      this.#keys.add(key)
      const problem = this.#checker.kept(buffer, at, tableId, this.#throughLsn)
      if (problem !== undefined) return problem
      this.root?.take(block, at)
      at += size
    }
    return count === recordCount ? undefined : `${count} records where the block says ${recordCount}`
  }
}
