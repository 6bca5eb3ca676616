// Makes a new store out of what is provably good in a damaged one: the newest good checkpoint, or an older one, or the
// empty state, and every intact commit of the log behind it, in order. Where commits are missing it goes on with later
// ones, whole commits only, and lists what is lost. Reads the source and changes nothing in it; takes no lock there.
//
// The state is in memory while this runs, as in an open store.

import { Fold } from "../checkpoint/fold.ts"
import { loadState } from "../checkpoint/state-loader.ts"
import type { CheckpointDirectory, CheckpointInfo } from "../checkpoint/checkpoint-files.ts"
import { checkpointFile, segmentFile } from "../format/file-names.ts"
import { FRAME_COMMITS, lastLsnOf } from "../format/frame.ts"
import type { Manifest } from "../format/manifest.ts"
import { Corruption } from "../model/errors.ts"
import { probe } from "../model/invariant.ts"
import { lsnOf } from "../model/lsn.ts"
import type { Platform } from "../platform/platform.ts"
import { Catalogue } from "../table/catalogue.ts"
import { ShardTables } from "../table/shard-tables.ts"
import { appendAudit } from "./audit-file.ts"
import { checkCheckpoint } from "./check-checkpoint.ts"
import { RecordChecker } from "./check-records.ts"
import { prepareTarget } from "./salvage-target.ts"
import { directoryOf, findStoreFiles, ReadMeter } from "./store-files.ts"
import type { ReadProgress, StoreFiles } from "./store-files.ts"
import { logFrameOf } from "../wal/segment-reader.ts"
import { surveyLog } from "./survey-log.ts"
import type { LogPiece, LogPlace } from "./survey-log.ts"
import { verifyStore } from "./verify.ts"
import type { Finding } from "./verify.ts"

export interface SalvageOptions {
  /** Told how far it has come in the source. */
  readonly onProgress?: ReadProgress
  /** Gives it up. The target is then no store, and may be removed. */
  readonly signal?: AbortSignal
}

/** Commits of the source that are not in the target, both ends included. */
export interface LostRange {
  readonly firstLsn: number
  readonly lastLsn: number
  /** Where the damage begins. */
  readonly file: string
  readonly offset: number
  readonly reason: string
}

export interface SalvageReport {
  /** In the target. */
  readonly records: number
  readonly tables: number
  /** The first 1,000, in the order of the log. */
  readonly lostRanges: readonly LostRange[]
  /** All of them. */
  readonly lostRangeCount: number
  /** The checkpoint of the source that the state was taken from, and its last LSN; undefined and 0 for none. */
  readonly checkpoint: number | undefined
  readonly checkpointLsn: number
  /** The last LSN of the source that was found. */
  readonly lastLsn: number
  /** Bytes of records written into the target. */
  readonly bytes: number
  readonly durationMs: number
}

const LOST_RANGE_COUNT_MAX = 1_000

/**
 * Makes a store in `target`, which must be empty or not there, of what is good in `source`.
 * Fails with: CannotOpen, NotAStore, StoreLocked, UnsupportedFormat, Corruption when no copy of the manifest is good,
 * StorageFailed, the signal's reason.
 */
export async function salvageStore(
  platform: Platform,
  source: string,
  target: string,
  options: SalvageOptions = {},
): Promise<SalvageReport> {
  const startMs = platform.clock.monotonicMs()
  options.signal?.throwIfAborted()
  const files = await findStoreFiles(platform, source)
  const { manifest } = files
  if (manifest === undefined) {
    // It holds the secrets that frames and checkpoints are checked by: without it nothing is provable.
    throw new Corruption("manifest-0", 0, 0, ["no copy of the manifest is good", ...files.problems].join("; "))
  }
  const writer = await prepareTarget(platform, target)
  try {
    const meter = new ReadMeter(files, options)
    const directory = directoryOf(platform, source, manifest)
    const salvage = new Salvage(platform, files, directory, manifest, meter)
    const checkpoint = await salvage.loadCheckpoint()
    await salvage.replay()
    meter.end()
    const { tables, records, bytes } = await writer.write(salvage.catalogue, salvage.tables, options.signal)
    const check = await verifyStore(platform, target)
    if (check.verdict !== "good") {
      // A verdict that is not good has its reason among the findings.
      const [{ file, offset, what }] = check.findings as readonly [Finding, ...Finding[]]
      throw new Corruption(file, offset, 0, `the target reads back ${check.verdict}: ${what}`)
    }
    const { lostRangeCount, lastLsn } = salvage
    const durationMs = platform.clock.monotonicMs() - startMs
    const facts = { from: source, tables, records, bytes, lastLsn, lostRangeCount, durationMs }
    await appendAudit(platform, target, "salvaged", facts)
    return {
      records,
      tables,
      lostRanges: salvage.lostRanges,
      lostRangeCount,
      checkpoint: checkpoint?.number,
      checkpointLsn: checkpoint?.throughLsn ?? 0,
      lastLsn,
      bytes,
      durationMs,
    }
  } finally {
    await writer.release()
  }
}

class Salvage {
  readonly catalogue: Catalogue
  readonly tables = new ShardTables()
  readonly lostRanges: LostRange[] = []
  lostRangeCount = 0
  /** The last LSN met. */
  lastLsn = 0
  readonly #platform: Platform
  readonly #files: StoreFiles
  readonly #directory: CheckpointDirectory
  readonly #manifest: Manifest
  readonly #meter: ReadMeter
  readonly #fold: Fold
  readonly #checker: RecordChecker
  /** What is in the state already. */
  #throughLsn = 0
  /** Durable through, by the heads of checkpoints that are no good otherwise. */
  #durable: LogPlace = { file: "", offset: 0, lsn: 0, what: "" }

  constructor(
    platform: Platform,
    files: StoreFiles,
    directory: CheckpointDirectory,
    manifest: Manifest,
    meter: ReadMeter,
  ) {
    this.catalogue = new Catalogue(platform.compression)
    this.#platform = platform
    this.#files = files
    this.#directory = directory
    this.#manifest = manifest
    this.#meter = meter
    this.#fold = new Fold(this.catalogue, [this.tables])
    this.#checker = new RecordChecker(manifest.hashSecret, this.catalogue)
  }

  /** The newest checkpoint that is good in every record. Fails with: StorageFailed. */
  async loadCheckpoint(): Promise<{ readonly number: number; readonly throughLsn: number } | undefined> {
    let best: CheckpointInfo | undefined
    for (const number of this.#files.checkpoints) {
      this.#meter.beginCheckpoint(number)
      const told = (at: number): void => this.#meter.at(at)
      const checked = await checkCheckpoint(this.#directory, number, this.#manifest.hashSecret, told, this.#platform)
      const { info } = checked
      if (checked.problem !== undefined) {
        probe("a damaged checkpoint is not salvaged from")
        const { file, offset, what } = checked.problem
        const lsn = checked.throughLsn ?? 0
        if (lsn > this.#durable.lsn) this.#durable = { file, offset, lsn, what: `the log ends before, and ${what}` }
      }
      if (info !== undefined && info.throughLsn >= (best?.throughLsn ?? 0)) best = info
    }
    if (best === undefined) return undefined
    await loadState(this.#directory, best.number, this.catalogue, [this.tables])
    this.#throughLsn = best.throughLsn
    return best
  }

  /** Folds what the log holds behind the checkpoint. Fails with: StorageFailed. */
  async replay(): Promise<void> {
    const { firstSegment, firstLsn } = this.#manifest
    this.lastLsn = Math.max(this.#throughLsn, firstLsn - 1)
    if (firstLsn > this.#throughLsn + 1) {
      const bad = this.#files.checkpoints.at(-1)
      const file = bad === undefined ? segmentFile(firstSegment) : checkpointFile(bad)
      this.#lose(1, firstLsn - 1, { file, offset: 0, lsn: 0, what: "no good checkpoint reaches the log's beginning" })
    }
    const { segments } = this.#files
    for await (const piece of surveyLog({ directory: this.#directory, segments, firstSegment, firstLsn })) {
      if (piece.kind === "segment") this.#meter.begin(piece.file)
      else if (piece.kind === "frame") this.#apply(piece)
      else if (piece.kind === "gap") this.#lose(piece.firstLsn, piece.lastLsn, piece.cause)
    }
    if (this.#durable.lsn > this.lastLsn) this.#lose(this.lastLsn + 1, this.#durable.lsn, this.#durable)
  }

  #apply({ file, offset, frame }: LogPiece & { readonly kind: "frame" }): void {
    const { header, buffer } = frame
    this.#meter.at(offset)
    this.lastLsn = Math.max(this.lastLsn, lastLsnOf(header))
    if (header.kind !== FRAME_COMMITS) return
    const whole = logFrameOf(frame)
    const { commits, problem } = this.#checker.frame(buffer, frame.start, frame.end, header)
    if (problem !== undefined) {
      this.#lose(header.firstLsn, lastLsnOf(header), { file, offset, lsn: header.firstLsn - 1, what: problem })
      return
    }
    if (commits.every((commit) => commit.problem === undefined)) {
      // One that the checkpoint holds in part changes nothing by being applied again, whole.
      if (whole.lastLsn > this.#throughLsn) this.#fold.apply(whole)
      return
    }
    for (const commit of commits) {
      const { lsn, start, end } = commit
      if (lsn <= this.#throughLsn) continue
      if (commit.problem === undefined) {
        this.#fold.apply({ ...whole, firstLsn: lsnOf(lsn), lastLsn: lsnOf(lsn), start, end, place: undefined })
      } else this.#lose(lsn, lsn, { file, offset, lsn: lsn - 1, what: `the commit holds ${commit.problem}` })
    }
  }

  #lose(first: number, lastLsn: number, { file, offset, what }: LogPlace): void {
    const firstLsn = Math.max(first, this.#throughLsn + 1)
    if (firstLsn > lastLsn) return
    const last = this.lostRanges.at(-1)
    if (last?.lastLsn === firstLsn - 1 && last.file === file && last.reason === what) {
      this.lostRanges[this.lostRanges.length - 1] = { ...last, lastLsn }
      return
    }
    this.lostRangeCount++
    if (this.lostRanges.length < LOST_RANGE_COUNT_MAX) {
      this.lostRanges.push({ firstLsn, lastLsn, file, offset, reason: what })
    }
  }
}
