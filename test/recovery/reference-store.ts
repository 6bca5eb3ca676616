// A store with several segments on the simulated disk, what its log holds frame by frame, and ways to damage it: what
// the tests of recovery start from.

import { open } from "../../src/index.ts"
import type { Durability, Store } from "../../src/index.ts"
import { FRAME_HEADER_SIZE, FRAME_SEAL, readFrameHeader } from "../../src/format/frame.ts"
import type { FrameHeader } from "../../src/format/frame.ts"
import { segmentFile } from "../../src/format/file-names.ts"
import { decodeManifest } from "../../src/format/manifest.ts"
import type { Manifest } from "../../src/format/manifest.ts"
import { SEGMENT_HEADER_SIZE } from "../../src/format/segment-header.ts"
import { crc32 } from "../../src/simulation/checksum.ts"
import { SimulatedDisk } from "../../src/simulation/simulated-disk.ts"
import type { SimulatedDiskOptions } from "../../src/simulation/simulated-disk.ts"
import { simulatePlatform } from "../../src/simulation/simulated-platform.ts"
import type { SimulatedPlatform } from "../../src/simulation/simulated-platform.ts"
import { SHARDS, untilSettled } from "../property/store-history.ts"
import type { Entry, Model } from "../property/store-history.ts"

export const SEGMENT_SIZE = 4096
export const DIRECTORY = "/data"

export interface ReferenceCommit {
  readonly lsn: number
  readonly place: string
  /** The number written; undefined for a delete. */
  readonly n: number | undefined
}

export interface ReferenceStore {
  readonly platform: SimulatedPlatform
  readonly store: Store
  readonly commits: readonly ReferenceCommit[]
}

export interface ReferenceOptions {
  readonly commitCount: number
  readonly seed?: number
  readonly disk?: SimulatedDisk
  readonly levelOf?: (n: number) => Durability
  /** Bytes of padding in a value. */
  readonly padSize?: number
}

/** Commits one after the other, so that each has a frame of its own. */
export async function makeStore(options: ReferenceOptions): Promise<ReferenceStore> {
  const { commitCount, seed = 1, padSize = 150, levelOf = () => "synced" } = options
  const platform = simulatePlatform({ seed, ...(options.disk === undefined ? {} : { disk: options.disk }) })
  const store = await open(DIRECTORY, { platform, shards: SHARDS, segmentBytes: SEGMENT_SIZE })
  const commits: ReferenceCommit[] = []
  for (let n = 1; n <= commitCount; n++) {
    const table = `t${n % 2}`
    const key = `key ${n % 7}`
    const durability = levelOf(n)
    const isDelete = n % 11 === 0
    const value: Entry = { n, pad: String(n).padStart(padSize, "p") }
    const handle = store.table<Entry>(table)
    const receipt = isDelete ? handle.delete(key, { durability }) : handle.put(key, value, { durability })
    const { lsn } = await untilSettled(platform, receipt)
    commits.push({ lsn, place: `${table}/${key}`, n: isDelete ? undefined : n })
  }
  return { platform, store, commits }
}

/** The state behind the commits up to that LSN. */
export function contentAt(commits: readonly ReferenceCommit[], lsn: number = Infinity): Model {
  const model: Model = new Map()
  for (const commit of commits) {
    if (commit.lsn > lsn) break
    if (commit.n === undefined) model.delete(commit.place)
    else model.set(commit.place, commit.n)
  }
  return model
}

/** A fresh disk with the same files, all of them durable. */
export async function copyOfDisk(
  files: ReadonlyMap<string, Uint8Array>,
  options: SimulatedDiskOptions = {},
): Promise<SimulatedDisk> {
  const disk = new SimulatedDisk()
  await disk.makeDirectory(DIRECTORY)
  for (const [path, bytes] of files) {
    const file = await disk.open(path, "create")
    if (bytes.length > 0) await file.write(bytes, 0)
    await file.close()
  }
  return disk.crash("everything", options)
}

/** Where a frame stands. */
export interface PlacedFrame extends FrameHeader {
  readonly end: number
}

/** The frames of a segment, as they follow each other from its header on. */
export function framesIn(files: ReadonlyMap<string, Uint8Array>, segment: number): PlacedFrame[] {
  const bytes = files.get(`${DIRECTORY}/${segmentFile(segment)}`) ?? new Uint8Array(0)
  const place = { checksumSeed: manifestIn(files).checksumSeed, segment, checksum: crc32 }
  const frames: PlacedFrame[] = []
  for (let offset = SEGMENT_HEADER_SIZE; ;) {
    const header = readFrameHeader(bytes, offset, place, offset)
    if (header === undefined) return frames
    const end = offset + FRAME_HEADER_SIZE + header.payloadSize
    frames.push({ ...header, end })
    if (header.kind === FRAME_SEAL) return frames
    offset = end
  }
}

/** Numbers of the segments that have a file. */
export function segmentsIn(files: ReadonlyMap<string, Uint8Array>): number[] {
  const numbers: number[] = []
  for (const path of files.keys()) {
    const number = /wal-(\d+)$/.exec(path)?.[1]
    if (number !== undefined) numbers.push(Number(number))
  }
  return numbers.sort((a, b) => a - b)
}

export function manifestIn(files: ReadonlyMap<string, Uint8Array>): Manifest {
  for (const copy of ["manifest-0", "manifest-1"]) {
    const manifest = decodeManifest(files.get(`${DIRECTORY}/${copy}`) ?? new Uint8Array(0), copy, crc32)
    if (typeof manifest !== "string") return manifest
  }
  throw new Error("the store has no manifest")
}

/** The files with some bytes of one replaced. */
export function withBytes(
  files: ReadonlyMap<string, Uint8Array>,
  name: string,
  offset: number,
  bytes: Uint8Array,
): Map<string, Uint8Array> {
  const changed = new Map(files)
  const path = `${DIRECTORY}/${name}`
  const old = files.get(path) ?? new Uint8Array(0)
  const next = new Uint8Array(Math.max(old.length, offset + bytes.length))
  next.set(old)
  next.set(bytes, offset)
  changed.set(path, next)
  return changed
}

export function withoutFile(files: ReadonlyMap<string, Uint8Array>, name: string): Map<string, Uint8Array> {
  const changed = new Map(files)
  changed.delete(`${DIRECTORY}/${name}`)
  return changed
}
