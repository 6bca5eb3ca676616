// Proves a store, or says what is wrong with it: every byte that is under a checksum, what the bytes mean, and that the
// checkpoints are what the log folds into. Reads only, takes no lock, changes nothing; meant for a store that nobody has
// open. Goes on behind damage, so that the report is complete.
//
// Agrees with recovery: what `open` refuses, or passes over with a warning, is damage; what it cuts is a torn tail.

import type { CheckpointDirectory } from "../checkpoint/checkpoint-files.ts"
import { decodeManifest, encodeManifest, MANIFEST_SIZE } from "../format/manifest.ts"
import type { Manifest } from "../format/manifest.ts"
import { checkpointFile, MANIFEST_FILES, segmentFile } from "../format/file-names.ts"
import { FRAME_COMMITS, lastLsnOf } from "../format/frame.ts"
import type { Compression } from "../model/compression.ts"
import type { MerkleVerdict } from "../model/merkle.ts"
import type { Platform } from "../platform/platform.ts"
import { storageFailed, systemCodeOf } from "../platform/system-error.ts"
import { readFully } from "../platform/transfer.ts"
import { Catalogue } from "../table/catalogue.ts"
import { checkCheckpoint } from "./check-checkpoint.ts"
import { FoldCheck, learnDefinitions } from "./check-fold.ts"
import type { FoldOutcome, GoodCheckpoint } from "./check-fold.ts"
import { RecordChecker } from "./check-records.ts"
import { summaryOf } from "./check-root.ts"
import { directoryOf, findStoreFiles, ReadMeter } from "./store-files.ts"
import type { ReadProgress, StoreFiles } from "./store-files.ts"
import { logFrameOf } from "../wal/segment-reader.ts"
import { surveyLog } from "./survey-log.ts"
import type { LogPiece, LogPlace } from "./survey-log.ts"

export interface VerifyOptions {
  /** Told how far it has come. */
  readonly onProgress?: ReadProgress
  /** Gives it up. */
  readonly signal?: AbortSignal
}

/** "torn tail": the log does not end in a seal, because its last owner was killed, or has the store open. */
export type Verdict = "good" | "torn tail" | "damaged"

export interface Finding {
  readonly file: string
  /** Byte in the file. */
  readonly offset: number
  /** The last LSN that is good before it. */
  readonly lsn: number
  readonly what: string
  /** False for what is normal, or was not checked. */
  readonly isDamage: boolean
}

export interface VerifyReport {
  readonly verdict: Verdict
  /** The first 1,000. */
  readonly findings: readonly Finding[]
  /** All of them. */
  readonly findingCount: number
  /** Segments, and frames of any kind that were found whole. */
  readonly segments: number
  readonly frames: number
  /** In the log. */
  readonly commits: number
  readonly records: number
  /** Checkpoints that are good. */
  readonly checkpoints: number
  /** Bytes of all files that were read. */
  readonly bytes: number
  /** Whether the checkpoints have the Merkle roots that were written with them. */
  readonly merkle: MerkleVerdict
  /** The last LSN of the log that was found. */
  readonly lastLsn: number
  readonly durationMs: number
}

const FINDING_COUNT_MAX = 1_000

/**
 * Checks a store. Fails with: CannotOpen and NotAStore where there is no store, UnsupportedFormat, StorageFailed, the
 * signal's reason. Damage is no failure: it is in the report.
 */
export async function verifyStore(
  platform: Platform,
  path: string,
  options: VerifyOptions = {},
): Promise<VerifyReport> {
  const startMs = platform.clock.monotonicMs()
  options.signal?.throwIfAborted()
  const files = await findStoreFiles(platform, path)
  const meter = new ReadMeter(files, options)
  const verification = new Verification(files, meter)
  if (await verification.manifest(platform, path)) {
    const manifest = files.manifest as Manifest
    await verification.state(directoryOf(platform, path, manifest), manifest, platform)
  }
  meter.end()
  return verification.report(platform.clock.monotonicMs() - startMs)
}

class Verification {
  readonly #files: StoreFiles
  readonly #meter: ReadMeter
  readonly #findings: Finding[] = []
  #findingCount = 0
  #damageCount = 0
  #hasTail = false
  #frames = 0
  #commits = 0
  #records = 0
  #checkpoints = 0
  #lastLsn = 0
  readonly #verdicts: MerkleVerdict[] = []

  constructor(files: StoreFiles, meter: ReadMeter) {
    this.#files = files
    this.#meter = meter
  }

  /** The two copies. False where none is good, and so nothing else can be checked. */
  async manifest(platform: Platform, path: string): Promise<boolean> {
    const { manifest, problems, manifestCount } = this.#files
    for (const problem of problems) {
      const at = problem.indexOf(": ")
      this.#add({ file: problem.slice(0, at), offset: 0, lsn: 0, what: problem.slice(at + 2) }, true)
    }
    if (manifest === undefined) {
      const what = manifestCount === 0 ? "the manifest is missing" : "no copy of the manifest is good"
      this.#add({ file: MANIFEST_FILES[0], offset: 0, lsn: 0, what: `${what}: nothing else can be checked` }, true)
      return false
    }
    for (const [index, copy] of (await readCopies(platform, path)).entries()) {
      const place = { file: MANIFEST_FILES[index] as string, offset: 0, lsn: 0 }
      // The making of the store was cut off; any other copy that is missing is among the problems.
      if (!this.#files.sizes.has(place.file) && manifest.generation === 1)
        this.#add({ ...place, what: "the copy is missing; open makes it" }, false)
      if (copy === undefined || isSameManifest(copy, manifest, platform)) continue
      const isSame = Buffer.compare(copy.storeId, manifest.storeId) === 0
      // A change was cut off between the copies: either of them names files that are there.
      this.#add(
        { ...place, what: isSame ? "the copy is older than the other" : "the copies are of different stores" },
        !isSame,
      )
    }
    return true
  }

  /** Checkpoints first, because the log may begin behind the definitions that they hold. */
  async state(directory: CheckpointDirectory, manifest: Manifest, platform: Platform): Promise<void> {
    const good: GoodCheckpoint[] = []
    let durableLsn = 0
    for (const number of this.#files.checkpoints) {
      this.#meter.beginCheckpoint(number)
      const told = (at: number): void => this.#meter.at(at)
      const checked = await checkCheckpoint(directory, number, manifest.hashSecret, told, platform)
      this.#verdicts.push(checked.merkle)
      if (checked.problem !== undefined) this.#add(checked.problem, true)
      if (checked.info === undefined) continue
      good.push({ info: checked.info, catalogue: checked.catalogue })
      durableLsn = Math.max(durableLsn, checked.info.throughLsn)
    }
    this.#checkpoints = good.length
    await this.#log(directory, manifest, good, platform.compression)
    const first = { file: segmentFile(manifest.firstSegment), offset: 0, lsn: 0 }
    if (manifest.firstLsn > 1 && durableLsn + 1 < manifest.firstLsn) {
      const what = `the log begins at LSN ${manifest.firstLsn}, and no good checkpoint reaches so far`
      this.#add({ ...first, what }, true)
    }
    if (durableLsn > this.#lastLsn) {
      const what = `the log ends at LSN ${this.#lastLsn}, but a checkpoint says that it was durable through ${durableLsn}`
      this.#add(
        {
          file: segmentFile(this.#files.segments.at(-1) ?? manifest.firstSegment),
          offset: 0,
          lsn: this.#lastLsn,
          what,
        },
        true,
      )
    }
  }

  report(durationMs: number): VerifyReport {
    return {
      verdict: this.#damageCount > 0 ? "damaged" : this.#hasTail ? "torn tail" : "good",
      findings: this.#findings,
      findingCount: this.#findingCount,
      segments: this.#files.segments.length,
      frames: this.#frames,
      commits: this.#commits,
      records: this.#records,
      checkpoints: this.#checkpoints,
      bytes: this.#meter.totalBytes,
      merkle: summaryOf(this.#verdicts),
      lastLsn: this.#lastLsn,
      durationMs,
    }
  }

  async #log(
    directory: CheckpointDirectory,
    manifest: Manifest,
    good: readonly GoodCheckpoint[],
    compression: Compression,
  ): Promise<void> {
    const { firstSegment, firstLsn } = manifest
    const fold = new FoldCheck(directory, good, firstLsn)
    const catalogue = catalogueBefore(good, firstLsn, compression)
    const checker = new RecordChecker(manifest.hashSecret, catalogue)
    this.#lastLsn = firstLsn - 1
    for await (const piece of surveyLog({ directory, segments: this.#files.segments, firstSegment, firstLsn })) {
      switch (piece.kind) {
        case "segment":
          this.#meter.begin(piece.file)
          break
        case "frame":
          await this.#frame(piece, checker, fold)
          break
        case "damage":
          this.#add(piece, true)
          break
        case "gap": {
          const { firstLsn: from, lastLsn: to, cause } = piece
          this.#add({ ...cause, what: lost(from, to) }, true)
          fold.noteGap(from, to)
          // The checkpoints may know what was defined in between.
          for (const checkpoint of good) learnDefinitions(checkpoint.catalogue, catalogue)
          break
        }
        case "tail":
          this.#hasTail = true
          this.#add(piece, false)
          break
      }
    }
    for (const outcome of fold.rest()) this.#foldOutcome(outcome)
  }

  async #frame(piece: LogPiece & { kind: "frame" }, checker: RecordChecker, fold: FoldCheck): Promise<void> {
    const { file, offset, frame } = piece
    const { header } = frame
    this.#meter.at(offset)
    this.#frames++
    const before = this.#lastLsn
    this.#lastLsn = Math.max(before, lastLsnOf(header))
    if (header.kind !== FRAME_COMMITS) return
    const checked = checker.frame(frame.buffer, frame.start, frame.end, header)
    this.#commits += checked.commits.length
    this.#records += checked.recordCount
    const bad = checked.commits.filter(({ problem }) => problem !== undefined)
    if (checked.problem === undefined && bad.length === 0) {
      for (const outcome of await fold.take(logFrameOf(frame))) this.#foldOutcome(outcome)
      return
    }
    if (checked.problem !== undefined) this.#add({ file, offset, lsn: before, what: checked.problem }, true)
    for (const { lsn, problem } of bad) {
      this.#add({ file, offset, lsn: lsn - 1, what: `the commit of LSN ${lsn} holds ${String(problem)}` }, true)
    }
    fold.noteGap(header.firstLsn, lastLsnOf(header))
  }

  #foldOutcome({ checkpoint, difference, skipped }: FoldOutcome): void {
    const place = { file: checkpointFile(checkpoint.number), offset: 0, lsn: checkpoint.throughLsn }
    if (difference !== undefined) this.#add({ ...place, what: `it is not what the log says: ${difference}` }, true)
    if (skipped !== undefined) this.#add({ ...place, what: `not compared with the log: ${skipped}` }, false)
  }

  #add({ file, offset, lsn, what }: LogPlace, isDamage: boolean): void {
    this.#findingCount++
    if (isDamage) this.#damageCount++
    if (this.#findings.length < FINDING_COUNT_MAX) this.#findings.push({ file, offset, lsn, what, isDamage })
  }
}

/** What was defined when the log began, as far as the oldest checkpoint that it goes on from says. */
function catalogueBefore(
  checkpoints: readonly GoodCheckpoint[],
  firstLsn: number,
  compression: Compression,
): Catalogue {
  const catalogue = new Catalogue(compression)
  if (firstLsn === 1) return catalogue
  const oldest = checkpoints.find(({ info }) => info.throughLsn + 1 >= firstLsn)
  if (oldest !== undefined) learnDefinitions(oldest.catalogue, catalogue)
  return catalogue
}

/** Both copies, each on its own; undefined where one is missing or damaged. */
async function readCopies(platform: Platform, path: string): Promise<(Manifest | undefined)[]> {
  const copies: (Manifest | undefined)[] = []
  for (const file of MANIFEST_FILES) {
    try {
      const handle = await platform.fileSystem.open(platform.fileSystem.join(path, file), "read")
      try {
        const bytes = new Uint8Array(MANIFEST_SIZE)
        const count = await readFully(handle, bytes, 0)
        const copy = decodeManifest(bytes.subarray(0, count), file, platform.checksum)
        copies.push(typeof copy === "string" ? undefined : copy)
      } finally {
        await handle.close()
      }
    } catch (error) {
      if (systemCodeOf(error) !== "ENOENT") throw storageFailed("read", file, error)
      copies.push(undefined)
    }
  }
  return copies
}

/** Whether two copies say the same, but for their generation. */
function isSameManifest(left: Manifest, right: Manifest, platform: Platform): boolean {
  const bytesOf = (manifest: Manifest): Uint8Array => encodeManifest({ ...manifest, generation: 0 }, platform.checksum)
  return Buffer.compare(bytesOf(left), bytesOf(right)) === 0
}

function lost(firstLsn: number, lastLsn: number): string {
  return firstLsn === lastLsn ? `LSN ${firstLsn} is lost` : `LSN ${firstLsn} to ${lastLsn} are lost`
}
