// Reads the whole log as scan-log does, but goes on behind damage: at the next intact frame, or in the next segment. What
// scan-log would refuse comes out as damage, what it would cut as the tail, by the same rules; reads only, in constant
// memory. Frames vouch for themselves, so what is given out behind damage is what was written; what is missing between
// is told as a gap of LSNs.

import { segmentFile } from "../format/file-names.ts"
import { FRAME_SEAL, lastLsnOf } from "../format/frame.ts"
import { SEGMENT_HEADER_SIZE } from "../format/segment-header.ts"
import { probe } from "../model/invariant.ts"
import type { LogDirectory } from "../wal/log-directory.ts"
import { SegmentReader } from "../wal/segment-reader.ts"
import type { SegmentFrame } from "../wal/segment-reader.ts"

/** A place in the log, and what is wrong there. */
export interface LogPlace {
  readonly file: string
  readonly offset: number
  /** The last LSN before it. */
  readonly lsn: number
  readonly what: string
}

/** What comes next in the log. A frame's bytes are valid until the next piece is asked for. */
export type LogPiece =
  | { readonly kind: "segment"; readonly file: string }
  | { readonly kind: "frame"; readonly file: string; readonly offset: number; readonly frame: SegmentFrame }
  | ({ readonly kind: "damage" } & LogPlace)
  /** LSNs that no intact frame holds any more; the place is that of the damage before. */
  | { readonly kind: "gap"; readonly firstLsn: number; readonly lastLsn: number; readonly cause: LogPlace }
  /** The log ends without a seal. What lies behind, if anything, was never finished. */
  | ({ readonly kind: "tail" } & LogPlace)

export interface LogToSurvey {
  readonly directory: LogDirectory
  /** Numbers of the segments that are there, oldest first. */
  readonly segments: readonly number[]
  /** As the manifest says. */
  readonly firstSegment: number
  readonly firstLsn: number
}

/** Fails with: StorageFailed, UnsupportedFormat. */
export async function* surveyLog(log: LogToSurvey): AsyncGenerator<LogPiece, undefined> {
  const survey = new Survey(log)
  let expected = log.firstSegment
  for (const [index, segment] of log.segments.entries()) {
    if (segment !== expected) yield survey.missing(expected, segment - 1)
    expected = segment + 1
    yield { kind: "segment", file: segmentFile(segment) }
    yield* survey.segment(segment, log.segments.slice(index + 1))
    if (survey.isAtEnd) return
  }
  if (log.segments.length === 0) yield survey.missing(expected, expected)
}

/** Something that says of the log before it that it was there. */
interface Witness {
  /** Where it stands in the segment; infinite: in a later one. */
  readonly offset: number
  /** How far the log was durable, as it says; infinite: everything before it. */
  readonly durableLsn: number
  readonly what: string
}

class Survey {
  isAtEnd = false
  readonly #directory: LogDirectory
  #lastLsn: number
  #epoch = 0
  /** Of the last frame; undefined where it is not known. */
  #checksum: number | undefined
  /** Damage behind which no frame has been met yet. */
  #hole: LogPlace | undefined
  /** What was found last, and the segment that it was found for. */
  #witnessed: (Witness & { readonly file: string }) | undefined

  constructor(log: LogToSurvey) {
    this.#directory = log.directory
    this.#lastLsn = log.firstLsn - 1
    this.#checksum = log.firstLsn === 1 ? 0 : undefined
  }

  missing(from: number, to: number): LogPiece {
    const what = from === to ? "the segment is missing" : `the segments up to ${segmentFile(to)} are missing`
    return this.#damage(segmentFile(from), 0, what)
  }

  async *segment(segment: number, later: readonly number[]): AsyncGenerator<LogPiece, undefined> {
    const file = segmentFile(segment)
    let badHeader: string | undefined
    const start = {
      offset: SEGMENT_HEADER_SIZE,
      previousChecksum: this.#checksum,
      lastLsn: this.#hole === undefined ? this.#lastLsn : undefined,
      epoch: this.#hole === undefined ? this.#epoch : 0,
    }
    const reader = await SegmentReader.open(this.#directory, segment, start, (found) => (badHeader = found))
    try {
      // The header holds nothing that frames need: the chain goes on.
      if (badHeader !== undefined) yield { kind: "damage", file, offset: 0, lsn: this.#lastLsn, what: badHeader }
      yield* this.#frames(reader, later)
    } finally {
      await reader.close()
    }
  }

  async *#frames(reader: SegmentReader, later: readonly number[]): AsyncGenerator<LogPiece, undefined> {
    const { file } = reader
    let frameCount = 0
    let isCountKnown = this.#hole === undefined
    let resumedAt = -1
    for (;;) {
      const { offset } = reader
      const frame = await reader.next()
      if (frame === undefined) {
        const reason = `no valid frame (${reader.stop})`
        const witness = await this.#witness(reader, later)
        if (witness === undefined) {
          this.isAtEnd = true
          const isUnused = reader.stop === "end" || reader.stop === "zeros"
          const what = isUnused ? "the log ends without a seal, in unused space" : `${reason}, and nothing behind it`
          if (frameCount > 0 || !isUnused) yield { kind: "tail", file, offset, lsn: this.#lastLsn, what }
          return
        }
        yield this.#damage(file, offset, `${reason}, but ${witness}`)
        const found = await reader.findIntact(resumedAt === offset ? offset + 8 : offset)
        if (found === undefined) return
        resumedAt = found.offset
        isCountKnown = false
        reader.resumeAt(resumedAt)
        continue
      }
      const { header } = frame
      if (this.#hole !== undefined) {
        if (header.firstLsn <= this.#lastLsn || header.epoch < this.#epoch) {
          yield this.#damage(file, offset, `a frame of epoch ${header.epoch} repeats LSN ${header.firstLsn}`)
          continue
        }
        const firstLsn = this.#lastLsn + 1
        if (header.firstLsn > firstLsn) {
          probe("reading goes on behind lost commits")
          yield { kind: "gap", firstLsn, lastLsn: header.firstLsn - 1, cause: this.#hole }
        }
        this.#hole = undefined
      }
      this.#checksum = header.checksum
      this.#epoch = header.epoch
      this.#lastLsn = lastLsnOf(header)
      if (header.kind === FRAME_SEAL) {
        if (isCountKnown && header.recordCount !== frameCount) {
          const what = `the seal counts ${header.recordCount} frames, there are ${frameCount}`
          yield { kind: "damage", file, offset, lsn: this.#lastLsn, what }
        }
        yield { kind: "frame", file, offset, frame }
        return
      }
      frameCount++
      yield { kind: "frame", file, offset, frame }
    }
  }

  /** What says that the log went on behind the place where the reader has stopped; undefined where nothing does. */
  async #witness(reader: SegmentReader, later: readonly number[]): Promise<string | undefined> {
    const known = this.#witnessed
    // Or every hole of a segment that holds many would be searched to the segment's end.
    if (known?.file === reader.file && known.offset > reader.offset && known.durableLsn > this.#lastLsn) {
      return known.what
    }
    const found = await this.#findWitness(reader, later)
    this.#witnessed = found === undefined ? undefined : { file: reader.file, ...found }
    return found?.what
  }

  async #findWitness(reader: SegmentReader, later: readonly number[]): Promise<Witness | undefined> {
    let from = reader.offset
    for (;;) {
      const found = await reader.findIntact(from)
      if (found === undefined) break
      const { offset, durableLsn } = found
      if (found.kind === FRAME_SEAL) {
        return { offset, durableLsn: Infinity, what: `an intact seal stands at byte ${offset}` }
      }
      if (durableLsn > this.#lastLsn) {
        const what = `an intact frame at byte ${offset} says the log was durable to LSN ${durableLsn}`
        return { offset, durableLsn, what }
      }
      from = found.offset + 8
    }
    const anywhere = { offset: SEGMENT_HEADER_SIZE, previousChecksum: undefined, lastLsn: undefined, epoch: 0 }
    for (const other of later) {
      let isBad = false
      const next = await SegmentReader.open(this.#directory, other, anywhere, () => (isBad = true))
      try {
        const found = await next.findIntact(SEGMENT_HEADER_SIZE)
        const everywhere = { offset: Infinity, durableLsn: Infinity }
        if (found !== undefined) return { ...everywhere, what: `${segmentFile(other)} holds LSN ${found.firstLsn}` }
        if (isBad) return { ...everywhere, what: `${segmentFile(other)} is damaged` }
      } finally {
        await next.close()
      }
    }
    return undefined
  }

  #damage(file: string, offset: number, what: string): LogPiece {
    this.#checksum = undefined
    const place = { file, offset, lsn: this.#lastLsn, what }
    this.#hole ??= place
    return { kind: "damage", ...place }
  }
}
