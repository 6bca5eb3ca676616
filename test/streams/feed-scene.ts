// A log in files, on a simulated disk unless asked otherwise, a catalogue, and a change feed over them: what the engine
// does with a feed, without the engine. Frames are encoded by the writer of the engine, read back by the log, and recovered by recovery.

import { FRAME_HEADER_SIZE } from "../../src/format/frame.ts"
import type { LogFrame } from "../../src/format/log-frame.ts"
import type { Manifest } from "../../src/format/manifest.ts"
import { RecordWalk } from "../../src/format/record-walk.ts"
import { RecordWriter } from "../../src/format/record-writer.ts"
import { FLAG_CONTINUES, KIND_DEFINE_SHAPE, KIND_DEFINE_TABLE, allocateRecordBuffer } from "../../src/format/record.ts"
import type { RecordBuffer } from "../../src/format/record.ts"
import { decodeShapeFields } from "../../src/format/shape-registry.ts"
import { ValueEncoder } from "../../src/format/value-encoder.ts"
import type { Change, Commit } from "../../src/model/change.ts"
import { lsnOf } from "../../src/model/lsn.ts"
import type { Lsn } from "../../src/model/lsn.ts"
import { recover } from "../../src/recovery/recover.ts"
import type { Platform } from "../../src/platform/platform.ts"
import { nodePlatform } from "../../src/platform/node/node-platform.ts"
import type { Fold } from "../../src/recovery/replay-log.ts"
import type { CompletionOrder } from "../../src/simulation/completion-order.ts"
import { SimulatedDisk } from "../../src/simulation/simulated-disk.ts"
import { simulatePlatform } from "../../src/simulation/simulated-platform.ts"
import { ChangeFeed } from "../../src/streams/change-feed.ts"
import type { FeedSource } from "../../src/streams/feed-source.ts"
import { Catalogue } from "../../src/table/catalogue.ts"
import { FileLog } from "../../src/wal/file-log.ts"
import type { FileLogOptions } from "../../src/wal/file-log.ts"
import type { FrameDraft } from "../../src/wal/log.ts"
import type { LogDirectory, LogEnd } from "../../src/wal/log-directory.ts"

/** A put, or with no value a delete. */
export interface Operation {
  readonly table: string
  readonly key: string
  readonly value?: unknown
}

/**
 * - "published": synced, and handed to the feed from memory.
 * - "advanced": synced; the feed is told how far only.
 * - "written": not synced; nobody is told.
 */
export type Level = "published" | "advanced" | "written"

export interface SceneOptions {
  /** Files of the operating system, in this directory, instead of simulated ones. */
  readonly realDirectory?: string
  readonly completion?: CompletionOrder
  readonly segmentSize?: number
  readonly subscriptionCountMax?: number
}

const DIRECTORY = "/store"
const SECRET = { low: 1, high: 2 }
const EMPTY_END: LogEnd = { segments: [], startLsn: 1, nextSegment: 1, lastLsn: 0, epoch: 0, checksum: 0 }

export class FeedScene {
  /** The disk, unless it is a real one. */
  readonly disk: SimulatedDisk
  readonly catalogue: Catalogue = new Catalogue()
  readonly feed: ChangeFeed
  log: FileLog
  readonly #directory: LogDirectory
  readonly #segmentSize: number
  readonly #platform: Platform
  #manifest: Manifest
  #writer: RecordWriter
  /** Those that no write is using. An observer may write while the frame that it is told of is still being published. */
  readonly #spareBuffers: RecordBuffer[] = []
  /** Commits of frames that were written, with what a recovery may not bring back at the end. */
  readonly commits: { readonly lsn: Lsn; readonly operations: readonly Operation[] }[] = []

  private constructor(
    disk: SimulatedDisk,
    platform: Platform,
    directory: LogDirectory,
    manifest: Manifest,
    options: SceneOptions,
  ) {
    const { subscriptionCountMax } = options
    this.disk = disk
    this.#platform = platform
    this.#directory = directory
    this.#manifest = manifest
    this.#segmentSize = options.segmentSize ?? 64 * 1024
    this.#writer = new RecordWriter(SECRET, new ValueEncoder(this.catalogue.shapes))
    this.feed = new ChangeFeed({ catalogue: this.catalogue, subscriptionCountMax })
    // Set before anybody sees the scene.
    this.log = undefined as unknown as FileLog
  }

  /** An empty log of epoch 1, whose LSN 1 carries no commit, and a feed connected to it. */
  static async open(options: SceneOptions = {}): Promise<FeedScene> {
    const { completion, realDirectory } = options
    const disk = new SimulatedDisk({ keepsTrace: false, ...(completion === undefined ? {} : { completion }) })
    const platform = realDirectory === undefined ? simulatePlatform({ seed: 1, disk }) : nodePlatform
    const { fileSystem, checksum } = platform
    const path = realDirectory ?? DIRECTORY
    await fileSystem.makeDirectory(path)
    const storeId = new Uint8Array(16)
    const directory = { fileSystem, checksum, path, storeId, checksumSeed: 7 }
    const manifest: Manifest = {
      generation: 1,
      storeId,
      checksumSeed: 7,
      hashSecret: SECRET,
      firstSegment: 1,
      firstLsn: 1,
      createdMs: 0,
    }
    const scene = new FeedScene(disk, platform, directory, manifest, options)
    scene.log = await FileLog.begin(directory, EMPTY_END, scene.#logOptions(1))
    scene.feed.connect(scene.log)
    return scene
  }

  /** Writes one frame. Each list of operations is a commit. Returns the last LSN. */
  async write(commits: readonly (readonly Operation[])[], level: Level = "published"): Promise<Lsn> {
    const firstLsn = lsnOf(this.log.endLsn + 1)
    const { buffer, end, recordCount } = this.#encode(commits)
    const timeMs = this.#platform.clock.wallMs()
    const draft = { buffer, start: FRAME_HEADER_SIZE, end, commitCount: commits.length, recordCount, timeMs }
    const notes = commits.map((operations, index) => ({ lsn: lsnOf(firstLsn + index), operations }))
    this.commits.push(...notes)
    await this.log.append({ ...draft, sync: level !== "written" }, this.log.endLsn)
    const lastLsn = lsnOf(firstLsn + commits.length - 1)
    if (level === "published") {
      const frame: LogFrame = { ...draft, firstLsn, lastLsn, epoch: this.log.epoch }
      this.feed.publish(frame)
      // The feed must have copied what it keeps.
      buffer.bytes.fill(0xee, FRAME_HEADER_SIZE, end)
    } else if (level === "advanced") {
      this.feed.advance(lastLsn)
    }
    this.#spareBuffers.push(buffer)
    return lastLsn
  }

  /** One put in a commit and a frame of its own. */
  put(key: string, value: unknown = key, table = "t"): Promise<Lsn> {
    return this.write([[{ table, key, value }]])
  }

  async sync(): Promise<void> {
    await this.log.sync()
    this.feed.advance(this.log.durableLsn)
  }

  /** The log fails and is recovered: what was not synced is gone, and its LSNs are never used again. */
  async recover(): Promise<void> {
    this.feed.disconnect()
    const { durableLsn, endLsn } = this.log
    this.log.fence()
    await this.log.close()
    this.catalogue.reset()
    this.#writer = new RecordWriter(SECRET, new ValueEncoder(this.catalogue.shapes))
    const { end } = await recover({
      directory: this.#directory,
      clock: this.#platform.clock,
      manifest: this.#manifest,
      foundStore: true,
      trustedLsn: durableLsn,
      warnings: [],
      state: undefined,
      fold: definitionsInto(this.catalogue),
      onProgress: () => undefined,
    })
    while ((this.commits.at(-1)?.lsn ?? 0) > durableLsn) this.commits.pop()
    this.log = await FileLog.begin(this.#directory, end, this.#logOptions(endLsn + 1))
    this.feed.connect(this.log)
  }

  #logOptions(lsnMin: number): FileLogOptions {
    return {
      clock: this.#platform.clock,
      segmentSize: this.#segmentSize,
      owner: "test",
      lsnMin,
      saveStart: async (segment, lsn) => {
        this.#manifest = { ...this.#manifest, firstSegment: segment, firstLsn: lsn }
      },
    }
  }

  #encode(commits: readonly (readonly Operation[])[]): Pick<FrameDraft, "buffer" | "end" | "recordCount"> {
    let buffer = this.#spareBuffers.pop() ?? allocateRecordBuffer(64 * 1024)
    let at = FRAME_HEADER_SIZE
    let recordCount = 0
    const add = (write: (at: number) => number): void => {
      let end = write(at)
      while (end < 0) {
        const larger = allocateRecordBuffer(buffer.bytes.length * 2)
        buffer.bytes.copy(larger.bytes)
        buffer = larger
        end = write(at)
      }
      at = end
      recordCount++
    }
    for (const operations of commits) {
      let flags = 0
      for (const { table, key, value } of operations) {
        const entry = this.catalogue.entry(table)
        if (entry.id === 0) {
          const id = this.catalogue.nextId()
          this.catalogue.define(id, table)
          add((start) => this.#writer.defineTable(buffer, start, flags, id, table))
          flags = FLAG_CONTINUES
        }
        add((start) =>
          value === undefined
            ? this.#writer.delete(buffer, start, flags, entry.id, key)
            : this.#writer.put(buffer, start, flags, entry.id, key, value),
        )
        flags = FLAG_CONTINUES
        for (const { id, fields } of this.catalogue.shapes.takePending()) {
          add((start) => this.#writer.defineShape(buffer, start, FLAG_CONTINUES, id, fields))
        }
      }
    }
    return { buffer, end: at, recordCount }
  }
}

function definitionsInto(catalogue: Catalogue): Fold {
  const walk = new RecordWalk(allocateRecordBuffer(0))
  return {
    apply(frame: LogFrame): void {
      walk.reset(frame.buffer, frame.start, frame.end, frame.firstLsn)
      while (walk.next()) {
        if (walk.kind === KIND_DEFINE_TABLE) catalogue.define(walk.tableId, walk.keyText())
        else if (walk.kind === KIND_DEFINE_SHAPE) {
          catalogue.shapes.define(walk.tableId, decodeShapeFields(frame.buffer.bytes, walk.keyEnd, walk.valueEnd))
        }
      }
    },
  }
}

/** "lsn:key=value,key-" for each commit. */
export function textOf(commit: Commit): string {
  return `${commit.lsn}:${commit.changes.map(describeChange).join(",")}`
}

function describeChange({ kind, key, value }: Change): string {
  return kind === "delete" ? `${key}-` : `${key}=${JSON.stringify(value)}`
}

/** Reads until `count` commits have come. */
export async function readSome(stream: AsyncIterable<Commit>, count: number): Promise<Commit[]> {
  const iterator = stream[Symbol.asyncIterator]()
  const commits: Commit[] = []
  while (commits.length < count) {
    const result = await iterator.next()
    if (result.done === true) throw new Error(`the stream ended after ${commits.length} of ${count} commits`)
    commits.push(result.value)
  }
  return commits
}

/** The log behind a slow disk: so many turns pass before a read gives its first frame. Counts the reads. */
export class SlowSource implements FeedSource {
  readCount = 0
  readonly #log: FileLog
  readonly #turns: number
  /** What the next reads fail with. */
  readonly failures: Error[] = []

  constructor(log: FileLog, turns: number) {
    this.#log = log
    this.#turns = turns
  }

  get durableLsn(): Lsn {
    return this.#log.durableLsn
  }
  get oldestLsn(): Lsn {
    return this.#log.oldestLsn
  }

  async *read(after: Lsn, to?: Lsn): AsyncIterableIterator<LogFrame> {
    this.readCount++
    const failure = this.failures.shift()
    for (let turn = 0; turn < this.#turns; turn++) await Promise.resolve()
    if (failure !== undefined) throw failure
    yield* this.#log.read(after, to)
  }
}

/** The texts of the next commits. */
export async function texts(stream: AsyncIterable<Commit>, count: number): Promise<string[]> {
  return (await readSome(stream, count)).map(textOf)
}

/** Lets everything run that can run without new input. */
export async function quiet(feed: ChangeFeed): Promise<void> {
  for (let round = 0; round < 3; round++) {
    await feed.idle()
    await new Promise<void>((resolve) => {
      setImmediate(resolve)
    })
  }
}
