// The making of one checkpoint as a job that can be handed to another thread: plain data in, plain data out. The same
// code runs on the main thread, where no other is wanted.

import type { CheckpointDirectory, CheckpointInfo } from "../checkpoint/checkpoint-files.ts"
import { headOf } from "../checkpoint/checkpoint-reader.ts"
import { foldCheckpoint } from "../checkpoint/fold-checkpoint.ts"
import { Corruption, StorageFailed } from "../model/errors.ts"
import type { Checksum } from "../model/checksum.ts"
import type { MerkleRoot } from "../model/merkle.ts"
import type { FileSystem } from "../platform/file-system.ts"
import type { SegmentExtent } from "../wal/log-directory.ts"
import { readLog } from "../wal/log-reader.ts"

export interface FoldJob {
  readonly path: string
  readonly storeId: Uint8Array
  readonly checksumSeed: number
  /** The log as far as it is durable. Nothing of it is let go while the job runs. */
  readonly extents: readonly SegmentExtent[]
  readonly startLsn: number
  readonly throughLsn: number
  /** The number that the checkpoint takes, and the one that it starts from. */
  readonly number: number
  readonly base: number | undefined
  readonly createdMs: number
  /** The Merkle root of the state behind an LSN. */
  readonly root?: MerkleRoot | undefined
  /** Whether one is made also where the log holds no commit behind the base. Default false. */
  readonly isForced?: boolean
}

/** A job under way on another thread. */
export interface FoldRun {
  /** Rejects when the thread was lost; then the job may be given again. */
  readonly answer: Promise<FoldOutcome>
  /** Lets the thread take all of a processor, or leave most of it to others, which it does until it is told. */
  hurry(isHurried: boolean): void
  /** Gives the same thread another job; undefined where it has ended since. Requires: it has answered. */
  next(job: FoldJob, options: { readonly onProgress: (doneBytes: number) => void }): FoldRun | undefined
  /** Ends the thread. Resolves when it touches nothing any more. */
  end(): Promise<void>
}

/** What became of a job. Errors as data, because classes do not pass between threads. */
export type FoldOutcome =
  | { readonly kind: "made"; readonly checkpoint: CheckpointInfo | undefined }
  | {
      readonly kind: "corruption"
      readonly file: string
      readonly offset: number
      readonly lsn: number
      readonly found: string
    }
  | { readonly kind: "storage"; readonly operation: string; readonly file: string; readonly systemCode: string }

/** Makes the checkpoint; undefined where nothing was written since its base. Fails with: Corruption, StorageFailed. */
export function runFoldJob(
  job: FoldJob,
  fileSystem: FileSystem,
  checksum: Checksum,
  pace: (writtenBytes?: number) => Promise<void> | undefined,
): Promise<CheckpointInfo | undefined> {
  const { path, storeId, checksumSeed } = job
  const directory = { fileSystem, checksum, path, storeId, checksumSeed }
  const start = { lsn: job.startLsn }
  return foldCheckpoint({
    directory,
    number: job.number,
    base: job.base,
    readLog: (after) => readLog(directory, job.extents, start, new Map(), after, job.throughLsn),
    // The last one may be the one that is written to.
    sealed: job.extents.slice(0, -1),
    createdMs: job.createdMs,
    root: job.root,
    ...(job.isForced === true ? { throughLsn: job.throughLsn } : {}),
    pace,
  })
}

/** The same, with what it fails with as data. Defects pass. */
export async function foldOutcome(...input: Parameters<typeof runFoldJob>): Promise<FoldOutcome> {
  try {
    return { kind: "made", checkpoint: await runFoldJob(...input) }
  } catch (error) {
    if (error instanceof Corruption) {
      const { file, offset, lsn, found } = error
      return { kind: "corruption", file, offset, lsn, found }
    }
    if (error instanceof StorageFailed) {
      const { operation, file, systemCode } = error
      return { kind: "storage", operation, file, systemCode }
    }
    throw error
  }
}

/** Whether a message from another thread is an outcome, by its form. */
export function isFoldOutcome(message: unknown): message is FoldOutcome {
  if (typeof message !== "object" || message === null || !("kind" in message)) return false
  const fields = message as Readonly<Record<string, unknown>>
  const areTexts = (names: readonly string[]): boolean => names.every((name) => typeof fields[name] === "string")
  switch (message.kind) {
    case "made":
      return fields["checkpoint"] === undefined || isCheckpointInfo(fields["checkpoint"])
    case "corruption":
      return areTexts(["file", "found"]) && isCount(fields["offset"]) && isCount(fields["lsn"])
    case "storage":
      return areTexts(["operation", "file", "systemCode"])
    default:
      return false
  }
}

/**
 * Whether the checkpoint that an outcome tells of is there, and the one that was asked for: the log is let go on the
 * strength of it. That all of it is good was proven by who made it.
 */
export async function isOutcomeTrue(
  outcome: FoldOutcome,
  job: FoldJob,
  directory: CheckpointDirectory,
): Promise<boolean> {
  if (outcome.kind !== "made" || outcome.checkpoint === undefined) return true
  const { number, throughLsn, sizeBytes } = outcome.checkpoint
  if (number !== job.number || throughLsn > job.throughLsn) return false
  try {
    const head = await headOf(directory, number)
    return head?.throughLsn === throughLsn && head.sizeBytes === sizeBytes
  } catch (error) {
    if (error instanceof StorageFailed && error.systemCode === "ENOENT") return false
    throw error
  }
}

/** What the outcome stands for: the checkpoint, or the error thrown. */
export function resultOf(outcome: FoldOutcome): CheckpointInfo | undefined {
  switch (outcome.kind) {
    case "made":
      return outcome.checkpoint
    case "corruption":
      throw new Corruption(outcome.file, outcome.offset, outcome.lsn, outcome.found)
    case "storage":
      throw new StorageFailed(outcome.operation, outcome.file, outcome.systemCode)
  }
}

function isCheckpointInfo(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false
  const fields = value as Readonly<Record<string, unknown>>
  return ["number", "throughLsn", "records", "sizeBytes", "createdMs"].every((name) => isCount(fields[name]))
}

function isCount(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0
}
