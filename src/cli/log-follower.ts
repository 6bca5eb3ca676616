// Reads the commits of a log from its files alone: without the lock, beside whoever has the store open, changing
// nothing. What it gives is written, which for the newest commits may be a moment before it is on stable storage; a
// reader that must have only durable commits uses `store.changes` in the process that has the store open.
//
// A frame that is half written has no right checksum yet: it is read again a little later.

import { listCheckpoints } from "../checkpoint/checkpoint-files.ts"
import { CheckpointReader } from "../checkpoint/checkpoint-reader.ts"
import { readManifest } from "../checkpoint/manifest-file.ts"
import { defineAll } from "../checkpoint/state-loader.ts"
import { BLOCK_DEFINITIONS } from "../format/checkpoint-block.ts"
import { segmentFile } from "../format/file-names.ts"
import { FRAME_COMMITS, FRAME_SEAL, lastLsnOf } from "../format/frame.ts"
import { KIND_DEFINE_SHAPE, KIND_DEFINE_TABLE, KIND_PUT } from "../format/record.ts"
import { RecordWalk } from "../format/record-walk.ts"
import { SEGMENT_HEADER_SIZE } from "../format/segment-header.ts"
import { decodeShapeFields } from "../format/shape-registry.ts"
import { ValueDecoder } from "../format/value-decoder.ts"
import { Corruption, CursorExpired, StorageFailed } from "../model/errors.ts"
import type { Platform } from "../platform/platform.ts"
import { Catalogue } from "../table/catalogue.ts"
import type { LogDirectory } from "../wal/log-directory.ts"
import { SegmentReader } from "../wal/segment-reader.ts"
import type { ReadStart, SegmentFrame } from "../wal/segment-reader.ts"
import { storeDirectory } from "./store-files.ts"

/** How long it waits before it looks again. */
const LOOK_MS = 100

export interface LoggedChange {
  readonly lsn: number
  /** Wall clock of the writer. */
  readonly timeMs: number
  readonly kind: "put" | "delete"
  readonly table: string
  readonly key: string
  readonly value: unknown
}

export interface FollowOptions {
  /** Gives what follows this position. Undefined: everything that is there. "end": what comes from now on. */
  readonly after: number | "end" | undefined
  /** The last LSN that is asked for; nothing behind it is looked at. Undefined: no bound. */
  readonly to?: number | undefined
  /** Whether to wait at the end for more, until the signal says to stop. */
  readonly waits: boolean
  readonly signal?: AbortSignal
}

/** Commits, each with all its changes, in the order of the log. Fails with: CursorExpired, Corruption, StorageFailed. */
export async function* followLog(
  platform: Platform,
  path: string,
  options: FollowOptions,
): AsyncGenerator<readonly LoggedChange[], undefined> {
  const { directory, manifest } = await storeDirectory(platform, path)
  const { after, to = Number.POSITIVE_INFINITY } = options
  if (typeof after === "number" && after + 1 < manifest.firstLsn) throw new CursorExpired(after, manifest.firstLsn)
  const records = new LogRecords(await knownDefinitions(directory))
  const place = new LogPlace(directory, manifest.firstSegment)
  let isGiving = after !== "end"
  const from = typeof after === "number" ? after : 0
  while (!isAborted(options.signal)) {
    const reader = await place.open()
    if (reader !== undefined) {
      try {
        for (let frame = await place.next(reader); frame !== undefined; frame = await place.next(reader)) {
          if (frame.header.kind !== FRAME_COMMITS) continue
          // Also what nobody asked for is gone through: it may define what later records name.
          for (const commit of records.commitsOf(frame, isGiving ? from : Number.POSITIVE_INFINITY)) {
            if ((commit[0]?.lsn ?? 0) > to) return
            yield commit
            if (isAborted(options.signal)) return
          }
          if (lastLsnOf(frame.header) >= to) return
        }
        if (!options.waits && !place.isSealed && !(await place.isRealEnd(reader))) continue
      } finally {
        await reader.close()
      }
      if (place.isSealed) {
        place.nextSegment()
        continue
      }
    }
    if (!options.waits) return
    isGiving = true
    await pause(platform, options.signal)
  }
}

/** Where reading stands: a segment, an offset in it, and what the next frame must follow. */
class LogPlace {
  readonly #directory: LogDirectory
  #segment: number
  #start: ReadStart = { offset: SEGMENT_HEADER_SIZE, previousChecksum: undefined, lastLsn: undefined, epoch: 0 }
  #suspectOffset = -1
  isSealed = false

  constructor(directory: LogDirectory, segment: number) {
    this.#directory = directory
    this.#segment = segment
  }

  /** The segment from where it stands, or undefined where it is not there yet. Fails with: CursorExpired and others. */
  async open(): Promise<SegmentReader | undefined> {
    try {
      return await SegmentReader.open(this.#directory, this.#segment, this.#start)
    } catch (error) {
      if (!(error instanceof StorageFailed) || error.systemCode !== "ENOENT") throw error
      const { fileSystem, path, checksum } = this.#directory
      const { manifest } = await readManifest(fileSystem, path, checksum)
      const firstSegment = manifest?.firstSegment ?? 0
      if (firstSegment > this.#segment) throw new CursorExpired(this.#start.lastLsn ?? 0, manifest?.firstLsn ?? 0)
      return undefined
    }
  }

  /** The next frame; undefined where none follows yet, and behind a seal. */
  async next(reader: SegmentReader): Promise<SegmentFrame | undefined> {
    if (this.isSealed) return undefined
    const frame = await reader.next()
    if (frame === undefined) return undefined
    const { header } = frame
    this.#start = {
      offset: reader.offset,
      previousChecksum: header.checksum,
      lastLsn: lastLsnOf(header),
      epoch: header.epoch,
    }
    this.isSealed = header.kind === FRAME_SEAL
    return frame
  }

  nextSegment(): void {
    this.#segment++
    this.#start = { ...this.#start, offset: SEGMENT_HEADER_SIZE }
    this.isSealed = false
  }

  /**
   * Whether the log may end here. False once where an intact frame lies behind: a writer may just have put it there.
   * Fails with: Corruption when that is still so when looked at again.
   */
  async isRealEnd(reader: SegmentReader): Promise<boolean> {
    const { offset, lastLsn = 0 } = this.#start
    const found = await reader.findIntact(offset)
    if (found === undefined) return true
    if (this.#suspectOffset === offset) {
      const what = `no valid frame (${reader.stop}), but an intact one at byte ${found.offset}`
      throw new Corruption(segmentFile(this.#segment), offset, lastLsn, what)
    }
    this.#suspectOffset = offset
    return false
  }
}

/** Makes changes of records, with the tables and shapes that are known so far. */
class LogRecords {
  readonly #catalogue: Catalogue
  readonly #decoder: ValueDecoder
  #walk: RecordWalk | undefined

  constructor(catalogue: Catalogue) {
    this.#catalogue = catalogue
    this.#decoder = new ValueDecoder(catalogue.shapes)
  }

  /** The frame's commits behind a position that have changes. */
  commitsOf(frame: SegmentFrame, after: number): readonly (readonly LoggedChange[])[] {
    const { header, buffer, start, end } = frame
    const walk = (this.#walk ??= new RecordWalk(buffer))
    walk.reset(buffer, start, end, header.firstLsn)
    const commits: LoggedChange[][] = []
    while (walk.next()) {
      if (walk.kind === KIND_DEFINE_TABLE) this.#catalogue.define(walk.tableId, walk.keyText())
      else if (walk.kind === KIND_DEFINE_SHAPE) {
        this.#catalogue.shapes.define(walk.tableId, decodeShapeFields(buffer.bytes, walk.keyEnd, walk.valueEnd))
      } else if (walk.lsn > after) {
        const change = this.#changeOf(walk, header.timeMs)
        const last = commits.at(-1)
        if (last?.[0]?.lsn === change.lsn) last.push(change)
        else commits.push([change])
      }
    }
    return commits
  }

  #changeOf(walk: RecordWalk, timeMs: number): LoggedChange {
    const { lsn, tableId, buffer } = walk
    const isPut = walk.kind === KIND_PUT
    const table = this.#catalogue.byId(tableId)?.name ?? `table ${tableId}`
    const value = isPut ? this.#decoder.decode(buffer.bytes, walk.keyEnd, walk.valueEnd) : undefined
    return { lsn, timeMs, kind: isPut ? "put" : "delete", table, key: walk.keyText(), value }
  }
}

/** What the newest good checkpoint defines: the log behind it may name that without defining it. */
async function knownDefinitions(directory: LogDirectory): Promise<Catalogue> {
  for (const number of (await listCheckpoints(directory)).reverse()) {
    const catalogue = new Catalogue()
    try {
      const reader = await CheckpointReader.open(directory, number)
      try {
        for (let block = await reader.next(); block?.kind === BLOCK_DEFINITIONS; block = await reader.next()) {
          defineAll(block, catalogue)
        }
      } finally {
        await reader.close()
      }
      return catalogue
    } catch (error) {
      // One that is damaged, or was let go meanwhile: the one before it knows the rest of what the log does not define.
      if (!(error instanceof Corruption || error instanceof StorageFailed)) throw error
    }
  }
  return new Catalogue()
}

/** As a call, because it changes between two looks at it. */
function isAborted(signal: AbortSignal | undefined): boolean {
  return signal?.aborted === true
}

function pause(platform: Platform, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      timer.cancel()
      signal?.removeEventListener("abort", end)
      resolve()
    }
    const timer = platform.clock.after(LOOK_MS, end, true)
    signal?.addEventListener("abort", end, { once: true })
  })
}
