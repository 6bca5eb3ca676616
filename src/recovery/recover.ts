// Recovery: five phases, each in a file of its own, each idempotent, so that a crash inside recovery is met by doing it
// again. Reads files only, in constant memory; refuses what it cannot prove good.

import type { CheckpointInfo } from "../checkpoint/checkpoint-files.ts"
import { segmentFile } from "../format/file-names.ts"
import type { Manifest } from "../format/manifest.ts"
import { Corruption } from "../model/errors.ts"
import { probe } from "../model/invariant.ts"
import type { Clock } from "../platform/clock.ts"
import type { LogDirectory, LogEnd } from "../wal/log-directory.ts"
import { loadCheckpoint } from "./load-checkpoint.ts"
import type { LoadedState, StateTarget } from "./load-checkpoint.ts"
import { repairTail, scannedEnd } from "./repair-tail.ts"
import { replayLog } from "./replay-log.ts"
import type { Fold } from "./replay-log.ts"
import { RecoveryMeter } from "./report.ts"
import type { RecoveryPhase, RecoveryProgress, RecoveryReport, TransactionCounts } from "./report.ts"
import { scanLog } from "./scan-log.ts"
import type { ScanResult } from "./scan-log.ts"
import { listStart, removeLeftovers } from "./select-checkpoint.ts"
import type { RecoveryStart } from "./select-checkpoint.ts"

export interface RecoveryInput {
  readonly directory: LogDirectory
  readonly clock: Clock
  readonly manifest: Manifest
  readonly foundStore: boolean
  /** What a failed owner in this process knew to be durable; undefined after a restart of the process. */
  readonly trustedLsn: number | undefined
  readonly warnings: readonly string[]
  /** Where the checkpoint is loaded, and the log folded into. Must be empty. No state: the log alone is recovered. */
  readonly state: StateTarget | undefined
  readonly fold: Fold
  /** Called when the state is whole. Default: there are none. */
  readonly countTransactions?: () => TransactionCounts
  readonly onProgress: (progress: RecoveryProgress) => void
  /** Whether a repair of the log's end that failed so may wait, while what was found is read. Default: it may not. */
  readonly mayRepairLater?: (error: unknown) => boolean
}

export interface Recovered {
  /** The checkpoint that was loaded. */
  readonly checkpoint: CheckpointInfo | undefined
  readonly end: LogEnd
  /** Where the end of the log could not be repaired: does so, and gives the end that an epoch can begin behind. */
  readonly repair: (() => Promise<LogEnd>) | undefined
  readonly report: RecoveryReport
}

const NO_TRANSACTIONS: TransactionCounts = {
  transactionsInDoubt: 0,
  transactionsCommitted: 0,
  transactionsAborted: 0,
}

/** What the first three phases found. They change nothing but what is loaded into the state. */
export interface FoundEnd {
  readonly startMs: number
  readonly meter: RecoveryMeter
  readonly start: RecoveryStart
  readonly loaded: LoadedState
  readonly scan: ScanResult
}

/** Fails with: Corruption, UnsupportedFormat, StorageFailed. */
export async function recover(input: RecoveryInput): Promise<Recovered> {
  return bringUp(input, await findEnd(input))
}

/** The phases up to the end of the log: the checkpoint, and the scan. Fails with: Corruption, UnsupportedFormat, StorageFailed. */
export async function findEnd(input: RecoveryInput): Promise<FoundEnd> {
  const { directory, clock, manifest, state } = input
  const startMs = clock.monotonicMs()
  const meter = new RecoveryMeter(() => clock.monotonicMs())
  const progress = progressOf(input)
  progress("select-checkpoint", 0, 0)
  const start = await meter.phase("select-checkpoint", () => listStart(directory, manifest))
  progress("load-checkpoint", 0, 0)
  const loaded = await meter.phase("load-checkpoint", () =>
    loadCheckpoint(directory, start, state, (doneBytes, size) => progress("load-checkpoint", doneBytes, size)),
  )
  // An upper bound: frames fill their files at most.
  const totalBytes = start.sizeBytes
  progress("scan-log", 0, totalBytes)
  const scan = await meter.phase("scan-log", () =>
    scanLog(directory, start, loaded.sealed, input.trustedLsn, (doneBytes) =>
      progress("scan-log", doneBytes, Math.max(totalBytes, doneBytes)),
    ),
  )
  checkReach(start, loaded, scan)
  return { startMs, meter, start, loaded, scan }
}

/** The phases behind it: the tail is cut and sealed, the log folded. Fails with: Corruption, StorageFailed. */
export async function bringUp(input: RecoveryInput, found: FoundEnd): Promise<Recovered> {
  const { directory, clock, manifest, fold } = input
  const { meter, start, loaded, scan } = found
  const progress = progressOf(input)
  progress("repair-tail", 0, 0)
  let removedFiles = 0
  let repairLater: (() => Promise<LogEnd>) | undefined
  const repair = async (): Promise<LogEnd> => {
    removedFiles = await removeLeftovers(directory, manifest)
    return repairTail(directory, start, scan, clock.wallMs())
  }
  const end = await meter.phase("repair-tail", async () => {
    try {
      return await repair()
    } catch (error) {
      if (input.mayRepairLater?.(error) !== true) throw error
      probe("the end of the log is repaired later")
      repairLater = repair
      return scannedEnd(start, scan)
    }
  })
  progress("replay-log", 0, scan.sizeBytes)
  const counts = await meter.phase("replay-log", () =>
    replayLog(directory, end, loaded, fold, (doneBytes) => progress("replay-log", doneBytes, scan.sizeBytes)),
  )
  const report: RecoveryReport = {
    foundStore: input.foundStore,
    phaseMs: meter.phaseMs,
    durationMs: clock.monotonicMs() - found.startMs,
    checkpoint: loaded.checkpoint?.number,
    checkpointLsn: loaded.throughLsn,
    checkpointRecords: loaded.checkpoint?.records ?? 0,
    segments: scan.segmentCount,
    frames: scan.frameCount,
    commits: counts.commits,
    records: counts.records,
    logBytes: scan.sizeBytes,
    lastLsn: scan.lastLsn,
    epoch: scan.epoch,
    wasSealed: scan.tail === undefined,
    cutBytes: scan.tail?.isTorn === true ? scan.tail.fileSize - scan.tail.offset : 0,
    tornFrames: scan.tail?.isTorn === true ? 1 : 0,
    rolledBackFrames: scan.cutFrameCount,
    // What passes a checkpoint over is that it cannot be proven good.
    checksumFailures: Number(scan.stop === "checksum") + loaded.warnings.length,
    removedFiles,
    ...(input.countTransactions?.() ?? NO_TRANSACTIONS),
    tail: describeTail(scan),
    merkle: { result: "skipped", lsn: 0, reason: "it is compared behind recovery" },
    warnings: [...input.warnings, ...loaded.warnings],
  }
  return { end, repair: repairLater, report, checkpoint: loaded.checkpoint }
}

function progressOf(input: RecoveryInput): (phase: RecoveryPhase, doneBytes: number, totalBytes: number) => void {
  return (phase, doneBytes, totalBytes) => input.onProgress({ phase, doneBytes, totalBytes })
}

/** A checkpoint holds nothing that was not durable in the log: a log that ends before it has lost its end. */
function checkReach(start: RecoveryStart, loaded: LoadedState, scan: ScanResult): void {
  if (loaded.throughLsn <= scan.lastLsn) return
  const last = scan.extents.at(-1)
  throw new Corruption(
    segmentFile(last?.segment ?? start.segments[0]),
    last?.endOffset ?? 0,
    scan.lastLsn,
    `the log ends at LSN ${scan.lastLsn}, but the checkpoint says that it was durable through ${loaded.throughLsn}`,
  )
}

function describeTail(scan: ScanResult): string {
  if (scan.tail === undefined) return scan.frameCount === 0 ? "the log is empty" : "sealed by its last owner"
  if (!scan.tail.isTorn) return "ends in unused space: the last owner did not close it"
  return `a torn frame at byte ${scan.tail.offset} of segment ${scan.tail.segment} was cut off (${scan.stop})`
}
