// Writes the state of a moment as a checkpoint into another directory, from a store's files alone: no lock, no tables, and
// in memory no more than what a bounded part of the log changes. The owner of the source may go on beside it.
//
// The other directory may belong to another store; only the secret of the key hashes must be the same, because records
// keep their hashes, and checkpoints are in their order.

import { removeCheckpoint } from "../checkpoint/checkpoint-files.ts"
import type { CheckpointDirectory, CheckpointInfo } from "../checkpoint/checkpoint-files.ts"
import { headOf } from "../checkpoint/checkpoint-reader.ts"
import { foldCheckpoint } from "../checkpoint/fold-checkpoint.ts"
import { checkpointFile } from "../format/file-names.ts"
import type { LogFrame } from "../format/log-frame.ts"
import { Corruption } from "../model/errors.ts"
import { probe } from "../model/invariant.ts"
import type { LogDirectory } from "../wal/log-directory.ts"
import { readLog } from "../wal/log-reader.ts"
import type { PastPlace } from "./find-past.ts"
import { noBase } from "./read-past.ts"

export interface PastWriting {
  readonly source: LogDirectory
  readonly place: PastPlace
  readonly target: CheckpointDirectory
  /** The number of the checkpoint in the target, or the first that is free there. */
  readonly number: number
  readonly createdMs: number
  readonly pace: (writtenBytes?: number) => Promise<void> | void
  /** Bytes of the log that one pass takes, for tests. */
  readonly deltaSizeMax?: number
}

/** The checkpoint that was written, and when its last commit was made, as far as that is known; 0 where there is none. */
export interface WrittenPast {
  readonly checkpoint: CheckpointInfo
  readonly timeMs: number
}

/** Fails with: Corruption, StorageFailed, what `pace` throws. */
export async function writePast(writing: PastWriting): Promise<WrittenPast> {
  const { candidates, start } = writing.place
  let { damage } = writing.place
  for (const base of candidates) {
    try {
      return await writeFrom(writing, base)
    } catch (error) {
      if (!(error instanceof Corruption) || error.file !== checkpointFile(base)) throw error
      probe("a state is written from an older checkpoint")
      damage ??= error
    }
  }
  if (start.firstLsn === 1) return writeFrom(writing, undefined)
  throw damage ?? noBase(start)
}

async function writeFrom(writing: PastWriting, first: number | undefined): Promise<WrittenPast> {
  const { source, target, pace, deltaSizeMax } = writing
  const { lsn, scan, start } = writing.place
  const head = first === undefined ? undefined : await headOf(source, first)
  let timeMs = head?.createdMs ?? 0
  const read = async function* (after: number): AsyncGenerator<LogFrame, undefined> {
    for await (const frame of readLog(source, scan.extents, { lsn: start.firstLsn }, new Map(), after, lsn)) {
      timeMs = frame.timeMs
      yield frame
    }
  }
  let directory: CheckpointDirectory = source
  let base = first
  for (let { number } = writing; ; number++) {
    const made = await foldCheckpoint({
      directory,
      target,
      number,
      base,
      readLog: read,
      createdMs: writing.createdMs,
      throughLsn: lsn,
      pace,
      ...(deltaSizeMax === undefined ? {} : { deltaSizeMax }),
    })
    if (directory === target && base !== undefined) await removeCheckpoint(target, base)
    if (made === undefined || made.throughLsn < lsn) {
      probe("a state is written in several passes")
      directory = target
      base = number
    } else return { checkpoint: made, timeMs }
  }
}
