// Makes a Merkle tree out of files: the newest good checkpoint and the log behind it, and goes on with what becomes
// durable. Never looks at the running tables, so whoever writes does not know of it. Asks for its turn every few
// records; what `pace` throws ends the work, and the tree is then of no use.

import type { CheckpointInfo } from "../checkpoint/checkpoint-files.ts"
import { CheckpointReader } from "../checkpoint/checkpoint-reader.ts"
import { BLOCK_DEFINITIONS } from "../format/checkpoint-block.ts"
import { checkpointFile, segmentFile } from "../format/file-names.ts"
import { recordSize } from "../format/record.ts"
import { RecordWalk } from "../format/record-walk.ts"
import { Corruption } from "../model/errors.ts"
import { probe } from "../model/invariant.ts"
import { lsnOf } from "../model/lsn.ts"
import type { MerkleRoot } from "../model/merkle.ts"
import { MerkleFold } from "../merkle/merkle-fold.ts"
import type { FileLog } from "../wal/file-log.ts"
import type { EngineContext } from "./engine-context.ts"

/** Records between two looks at the clock, and digests. */
const STEP_COUNT = 16

export interface BegunTree {
  readonly fold: MerkleFold
  /** The root that was written with the checkpoint, and its file; undefined where there is none. */
  readonly expected: MerkleRoot | undefined
  readonly source: string
}

export class MerkleBuilder {
  readonly #engine: EngineContext
  readonly #pace: () => Promise<void> | undefined
  #walk: RecordWalk | undefined
  /** Bytes of files that the tree was made from so far. */
  doneBytes = 0

  constructor(engine: EngineContext, pace: () => Promise<void> | undefined) {
    this.#engine = engine
    this.#pace = pace
  }

  /** The tree of the newest good checkpoint, or the empty one where the log is whole. Fails with: Corruption, StorageFailed. */
  async begin(log: FileLog): Promise<BegunTree> {
    this.doneBytes = 0
    for (const info of this.#engine.checkpoints.toReversed()) {
      if (info.throughLsn + 1 < log.oldestLsn) break
      try {
        return await this.#load(info)
      } catch (error) {
        if (!(error instanceof Corruption)) throw error
        probe("a Merkle tree is made from an older checkpoint")
      }
    }
    if (log.oldestLsn > 1) throw new Corruption(segmentFile(0), 0, 0, "the log's beginning is in no good checkpoint")
    return { fold: this.#emptyFold(0), expected: undefined, source: "the log" }
  }

  /** Takes the log up to and with a commit that is durable. Fails with: CursorExpired, Corruption, StorageFailed. */
  async catchUp(fold: MerkleFold, log: FileLog, to: number): Promise<void> {
    if (fold.lsn >= to) return
    let count = 0
    for await (const frame of log.read(lsnOf(fold.lsn), lsnOf(to))) {
      const { buffer } = frame
      const walk = (this.#walk ??= new RecordWalk(buffer))
      walk.reset(buffer, frame.start, frame.end, frame.firstLsn)
      while (walk.next() && walk.lsn <= to) {
        if (walk.lsn > fold.lsn) fold.takeLogged(buffer, walk.offset)
        if (++count % STEP_COUNT > 0) continue
        const turn = this.#pace()
        if (turn !== undefined) await turn
      }
      fold.lsn = Math.min(frame.lastLsn, to)
      this.doneBytes += frame.end - frame.start
    }
    // Positions that a lost epoch gave out hold nothing.
    fold.lsn = to
  }

  /** Makes every stale digest anew. */
  async settle(fold: MerkleFold): Promise<void> {
    while (!fold.tree.settle(STEP_COUNT)) {
      const turn = this.#pace()
      if (turn !== undefined) await turn
    }
  }

  async #load(info: CheckpointInfo): Promise<BegunTree> {
    const { settings } = this.#engine
    const reader = await CheckpointReader.open(settings.directory, info.number)
    const fold = this.#emptyFold(reader.throughLsn)
    let count = 0
    try {
      for (let block = await reader.next(); block !== undefined; block = await reader.next()) {
        if (block.kind === BLOCK_DEFINITIONS) continue
        const { buffer, tableId, start, end } = block
        const { words } = buffer
        this.doneBytes += end - start
        for (let at = start; at < end;) {
          fold.takeKept(buffer, at, tableId)
          at += recordSize((words[(at >>> 2) + 2] as number) & 0xffff, words[(at >>> 2) + 1] as number)
          if (++count % STEP_COUNT > 0) continue
          const turn = this.#pace()
          if (turn !== undefined) await turn
        }
      }
      return { fold, expected: reader.root, source: checkpointFile(info.number) }
    } finally {
      await reader.close()
    }
  }

  /** The catalogue of the running store knows every table and shape that durable records name. */
  #emptyFold(lsn: number): MerkleFold {
    return new MerkleFold(this.#engine.catalogue, this.#engine.settings.sha256, lsn)
  }
}
