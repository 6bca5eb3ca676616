// Reads the commits of a log from its files alone: without the lock, beside whoever has the store open, changing
// nothing. What it gives is written, which for the newest commits may be a moment before it is on stable storage; a
// reader that must have only durable commits uses `store.changes` in the process that has the store open.
//
// A frame that is half written has no right checksum yet: it is read again a little later.

import { listCheckpoints } from "../checkpoint/checkpoint-files.ts"
import { CheckpointReader } from "../checkpoint/checkpoint-reader.ts"
import { defineAll } from "../checkpoint/state-loader.ts"
import { BLOCK_DEFINITIONS } from "../format/checkpoint-block.ts"
import { FRAME_COMMITS, lastLsnOf } from "../format/frame.ts"
import { contradiction } from "../format/log-frame.ts"
import type { LogFrame } from "../format/log-frame.ts"
import { KIND_DEFINE_SHAPE, KIND_DEFINE_TABLE, KIND_PUT } from "../format/record.ts"
import { RecordWalk } from "../format/record-walk.ts"
import { damageOf } from "../format/value-damaged.ts"
import { ValueDecoder } from "../format/value-decoder.ts"
import type { Compression } from "../model/compression.ts"
import { Corruption, CursorExpired, StorageFailed } from "../model/errors.ts"
import { isSystemTable } from "../model/system-tables.ts"
import type { Platform } from "../platform/platform.ts"
import { Catalogue } from "../table/catalogue.ts"
import { takeDefinition } from "../table/definitions.ts"
import type { LogDirectory } from "../wal/log-directory.ts"
import { LogCursor } from "../recovery/log-cursor.ts"
import { logFrameOf } from "../wal/segment-reader.ts"
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

/** Commits, each with all its changes to users' tables, in the order of the log. Fails with: CursorExpired, Corruption, StorageFailed. */
export async function* followLog(
  platform: Platform,
  path: string,
  options: FollowOptions,
): AsyncGenerator<readonly LoggedChange[], undefined> {
  const { directory, manifest } = await storeDirectory(platform, path)
  const { after, to = Number.POSITIVE_INFINITY } = options
  if (typeof after === "number" && after + 1 < manifest.firstLsn) throw new CursorExpired(after, manifest.firstLsn)
  const records = new LogRecords(await knownDefinitions(directory, platform.compression))
  const place = new LogCursor(directory, manifest.firstSegment)
  let isGiving = after !== "end"
  const from = typeof after === "number" ? after : 0
  while (!isAborted(options.signal)) {
    const reader = await place.open()
    if (reader !== undefined) {
      try {
        for (let frame = await place.next(reader); frame !== undefined; frame = await place.next(reader)) {
          if (frame.header.kind !== FRAME_COMMITS) continue
          // Also what nobody asked for is gone through: it may define what later records name.
          for (const commit of records.commitsOf(logFrameOf(frame), isGiving ? from : Number.POSITIVE_INFINITY)) {
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

/** Makes changes of records, with the tables and shapes that are known so far. */
class LogRecords {
  readonly #catalogue: Catalogue
  readonly #decoder: ValueDecoder
  #walk: RecordWalk | undefined

  constructor(catalogue: Catalogue) {
    this.#catalogue = catalogue
    this.#decoder = new ValueDecoder(catalogue.shapes)
  }

  /** The frame's commits behind a position that have changes. Fails with: Corruption. */
  commitsOf(frame: LogFrame, after: number): readonly (readonly LoggedChange[])[] {
    const { buffer } = frame
    const walk = (this.#walk ??= new RecordWalk(buffer))
    walk.reset(buffer, frame.start, frame.end, frame.firstLsn)
    const commits: LoggedChange[][] = []
    while (walk.advance()) {
      if (walk.kind === KIND_DEFINE_TABLE || walk.kind === KIND_DEFINE_SHAPE) {
        const problem = takeDefinition(this.#catalogue, buffer, walk.offset)
        if (problem !== undefined) throw contradiction(frame, walk.offset, problem)
      } else if (walk.lsn > after) {
        const change = this.#changeOf(frame, walk)
        if (isSystemTable(change.table)) continue
        const last = commits.at(-1)
        if (last?.[0]?.lsn === change.lsn) last.push(change)
        else commits.push([change])
      }
    }
    if (!walk.isAtEnd) throw contradiction(frame, walk.offset, "a record that goes beyond its end")
    return commits
  }

  #changeOf(frame: LogFrame, walk: RecordWalk): LoggedChange {
    const { lsn, tableId } = walk
    const isPut = walk.kind === KIND_PUT
    const table = this.#catalogue.byId(tableId)?.name ?? `table ${tableId}`
    const value = isPut ? this.#valueOf(frame, walk) : undefined
    return { lsn, timeMs: frame.timeMs, kind: isPut ? "put" : "delete", table, key: walk.keyText(), value }
  }

  #valueOf(frame: LogFrame, { offset, keyEnd, valueEnd }: RecordWalk): unknown {
    try {
      return this.#decoder.decode(frame.buffer.bytes, keyEnd, valueEnd)
    } catch (error) {
      throw contradiction(frame, offset, damageOf(error))
    }
  }
}

/** What the newest good checkpoint defines: the log behind it may name that without defining it. */
async function knownDefinitions(directory: LogDirectory, compression: Compression): Promise<Catalogue> {
  for (const number of (await listCheckpoints(directory)).reverse()) {
    const catalogue = new Catalogue(compression)
    try {
      const reader = await CheckpointReader.open(directory, number)
      try {
        for (let block = await reader.next(); block?.kind === BLOCK_DEFINITIONS; block = await reader.next()) {
          defineAll(block, catalogue, reader)
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
  return new Catalogue(compression)
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
