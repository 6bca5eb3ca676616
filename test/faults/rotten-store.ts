// A small store for the tests of rot: records in several tables, three kept checkpoints, segments that are used again;
// what every one of its bytes promises; and what each reader makes of it. The promises are a list of ranges, so that a
// byte that no check covers is there with its reason, and not by silence.

import { open } from "../../src/index.ts"
import type { OpenOptions } from "../../src/index.ts"
import { readBlockHeader } from "../../src/format/checkpoint-block.ts"
import { FRAME_SEAL, lastLsnOf } from "../../src/format/frame.ts"
import { checkpointFile, MANIFEST_FILES, segmentFile } from "../../src/format/file-names.ts"
import { SEGMENT_HEADER_SIZE } from "../../src/format/segment-header.ts"
import { OrreryError } from "../../src/model/errors.ts"
import { verifyStore } from "../../src/recovery/verify.ts"
import type { Verdict } from "../../src/recovery/verify.ts"
import { crc32 } from "../../src/simulation/checksum.ts"
import type { SimulatedDisk } from "../../src/simulation/simulated-disk.ts"
import { simulatePlatform } from "../../src/simulation/simulated-platform.ts"
import { checkpointsIn } from "../checkpoint/store-with-checkpoints.ts"
import { contentOf, differences, untilSettled } from "../property/store-history.ts"
import type { Entry, Model } from "../property/store-history.ts"
import { DIRECTORY, framesIn, manifestIn, segmentsIn } from "../recovery/reference-store.ts"

export type Files = ReadonlyMap<string, Uint8Array>

/** What a store that is opened, or read, may be. */
export type Outcome =
  /** Everything that was written is there. */
  | "exact"
  /** The same, and a warning names the file. */
  | "warned"
  /** Without the last frame, as if it had been torn: nothing tells rot there from a crash. */
  | "cut"
  /** An error of the engine's own, and not a byte is changed. */
  | "refused"

/** A range of a file, and what must come of rot in any of its bytes. */
export interface Promised {
  readonly file: string
  readonly start: number
  readonly end: number
  /** Why it is so. */
  readonly reason: string
  readonly verdict: Verdict
  readonly opened: Outcome
  /** What a reader of the newest state, or a follower, finds. */
  readonly read: Outcome
  /** What a reader of the state of `RottenStore.pastLsn` finds. */
  readonly past: Outcome
}

export interface RottenStore {
  readonly files: Files
  /** The last state, and that without the commits of the last frame. */
  readonly content: Model
  readonly contentBeforeLast: Model
  /** A state between the oldest and the next checkpoint. */
  readonly pastLsn: number
  readonly pastContent: Model
}

const SETTINGS: OpenOptions = { shards: 3, segmentBytes: 4096, checkpoint: false, keep: { checkpoints: 3 } }
const ROUNDS = 7
const TABLES = ["a", "b", "c", "a table with a longer name"]

/** A few hundred records, written in batches over four tables with some deleted, and a checkpoint between two rounds. */
export async function makeRottenStore(end: "closed" | "killed", seed: number): Promise<RottenStore> {
  const platform = simulatePlatform({ seed })
  const settled = <T>(work: Promise<T>): Promise<T> => untilSettled(platform, work)
  const store = await open(DIRECTORY, { platform, ...SETTINGS })
  const content: Model = new Map()
  let contentBeforeLast: Model = content
  let pastLsn = 0
  let pastContent: Model = content
  let n = 0
  for (let round = 0; round < ROUNDS; round++) {
    if (round > 0) await settled(store.checkpoint())
    for (let batch = 0; batch < 4; batch++) {
      contentBeforeLast = new Map(content)
      const receipt = store.batch((writes) => {
        for (let i = 0; i < 14; i++) {
          const name = TABLES[++n % TABLES.length] as string
          const key = `k${(n * 7) % 201}`
          const table = store.table<Entry>(name)
          if (n % 9 === 0) {
            writes.delete(table, key)
            content.delete(`${name}/${key}`)
          } else {
            writes.put(table, key, { n, pad: "p".repeat(n % 24) })
            content.set(`${name}/${key}`, n)
          }
        }
      })
      const { lsn } = await settled(receipt)
      // The checkpoints that are kept at the end are made before the last three rounds.
      if (round === ROUNDS - 3 && batch === 1) {
        pastLsn = lsn
        pastContent = new Map(content)
      }
    }
  }
  if (end === "closed") await settled(store.close())
  const disk = end === "closed" ? platform.fileSystem : platform.fileSystem.crash("kill")
  return { files: disk.files(), content, contentBeforeLast, pastLsn, pastContent }
}

/** Every byte of every file is in one of these. */
export function promisesOf(files: Files): Promised[] {
  const promises: Promised[] = []
  const used = segmentsIn(files).filter((segment) => framesIn(files, segment).length > 0)
  const checkpoints = checkpointsIn(files)
  const firstRead = firstSegmentRead(files, used, checkpoints.at(-1) ?? 0)
  for (const [path, { length }] of files) {
    const file = path.slice(path.lastIndexOf("/") + 1)
    const add = (start: number, end: number, rest: Omit<Promised, "file" | "start" | "end">): void => {
      if (end > start) promises.push({ file, start, end, ...rest })
    }
    const all = (rest: Omit<Promised, "file" | "start" | "end">): void => add(0, length, rest)
    const segment = segmentsIn(files).find((number) => segmentFile(number) === file)
    const checkpoint = checkpoints.find((number) => checkpointFile(number) === file)
    if (segment !== undefined) {
      const isLast = segment === used.at(-1)
      const frames = framesIn(files, segment)
      const lastEnd = frames.at(-1)?.end ?? SEGMENT_HEADER_SIZE
      const opened = segment < firstRead ? ("exact" as const) : ("refused" as const)
      add(0, SEGMENT_HEADER_SIZE, { ...refused("the header of a segment says whose it is"), opened })
      for (const frame of frames) {
        const isEnd = isLast && frame === frames.at(-1)
        const promise = !isEnd
          ? { ...refused("a frame with another behind it: the log was durable past it"), opened }
          : frame.kind === FRAME_SEAL
            ? resealed
            : cut
        add(frame.offset, frame.end, promise)
      }
      add(lastEnd, length, meaningless("behind the end of a segment: zeros, or frames of a file's former life", files))
    } else if (checkpoint !== undefined) {
      // Another one and its log say the same, but for the states that only the oldest begins.
      const isNewest = checkpoint === checkpoints.at(-1)
      const isOldest = checkpoint === checkpoints[0]
      all({
        reason: "a block of a checkpoint",
        verdict: "damaged",
        opened: isNewest ? "warned" : "exact",
        read: "exact",
        past: isOldest ? "refused" : "exact",
      })
    } else if (MANIFEST_FILES.some((name) => name === file)) {
      const reason = "a copy of the manifest: the other says the same"
      all({ reason, verdict: "damaged", opened: "warned", read: "exact", past: "exact" })
    } else all(meaningless("a lock, a spare or the audit log: holds nothing of the state", files))
  }
  return promises
}

function refused(reason: string): Omit<Promised, "file" | "start" | "end"> {
  return { reason, verdict: "damaged", opened: "refused", read: "refused", past: "refused" }
}

function meaningless(reason: string, files: Files): Omit<Promised, "file" | "start" | "end"> {
  return { reason, verdict: isSealed(files) ? "good" : "torn tail", opened: "exact", read: "exact", past: "exact" }
}

const resealed: Omit<Promised, "file" | "start" | "end"> = {
  reason: "the last seal: holds nothing, and is written again",
  verdict: "torn tail",
  opened: "exact",
  read: "exact",
  past: "exact",
}

const cut: Omit<Promised, "file" | "start" | "end"> = {
  reason: "the last frame of a store that was killed: nothing tells rot there from a write that was cut off",
  verdict: "torn tail",
  opened: "cut",
  read: "cut",
  past: "exact",
}

function isSealed(files: Files): boolean {
  const used = segmentsIn(files).filter((segment) => framesIn(files, segment).length > 0)
  return framesIn(files, used.at(-1) ?? 0).at(-1)?.kind === FRAME_SEAL
}

/**
 * Segments before this one were sealed when the newest checkpoint was made. Its state has what they hold, so an owner does
 * not read them; all who read history do.
 */
function firstSegmentRead(files: Files, used: readonly number[], newest: number): number {
  const bytes = files.get(`${DIRECTORY}/${checkpointFile(newest)}`) ?? new Uint8Array(0)
  const place = { checkpoint: newest, checksumSeed: manifestIn(files).checksumSeed, checksum: crc32 }
  const throughLsn = readBlockHeader(bytes, 0, place)?.throughLsn ?? 0
  const holds = (segment: number): boolean => framesIn(files, segment).some((frame) => lastLsnOf(frame) === throughLsn)
  return used.find(holds) ?? 0
}

/** The verdict of verify. */
export async function verified(disk: SimulatedDisk): Promise<Verdict> {
  return (await verifyStore(simulatePlatform({ seed: 3, disk }), DIRECTORY)).verdict
}

/** What comes of opening it; a line that says what is wrong where that is none of the outcomes. */
export async function opened(disk: SimulatedDisk, store: RottenStore, file: string): Promise<string> {
  const platform = simulatePlatform({ seed: 4, disk })
  const before = withoutLock(disk)
  try {
    const owner = await untilSettled(platform, open(DIRECTORY, { platform, ...SETTINGS }))
    const found = outcomeOf(contentOf(owner), store)
    const { warnings } = owner.recovery
    await untilSettled(platform, owner.close())
    if (disk.openFileCount > 0) return `${disk.openFileCount} files are left open`
    if (found !== "exact" || warnings.length === 0) return found
    return warnings.some((line) => line.includes(file))
      ? "warned"
      : `a warning of something else: ${warnings.join("; ")}`
  } catch (error) {
    if (disk.openFileCount > 0) return `${disk.openFileCount} files are left open`
    const changed = differingFiles(before, withoutLock(disk))
    return changed.length === 0 ? refusalOf(error) : `refused, but changed: ${changed.join(", ")}`
  }
}

/** What a reader of the newest state, or of the one at an LSN, finds. */
export async function readAt(disk: SimulatedDisk, lsn: number | undefined, store: RottenStore): Promise<string> {
  const platform = simulatePlatform({ seed: 5, disk })
  try {
    const at = lsn === undefined ? {} : { at: lsn }
    const past = await untilSettled(platform, open(DIRECTORY, { platform, readOnly: true, ...at }))
    const content: Model = new Map()
    for (const name of past.tables()) {
      for (const [key, { n }] of past.table<Entry>(name).entries()) content.set(`${name}/${key}`, n)
    }
    await past.close()
    if (lsn === undefined) return outcomeOf(content, store)
    const wrong = differences(content, store.pastContent)
    return wrong.length === 0 ? "exact" : wrong.join("; ")
  } catch (error) {
    return refusalOf(error)
  }
}

/** What a follower finds that is given time to look twice. */
export async function followed(disk: SimulatedDisk, store: RottenStore): Promise<string> {
  const platform = simulatePlatform({ seed: 6, disk })
  try {
    const follower = await untilSettled(platform, open(DIRECTORY, { platform, readOnly: true, follow: true }))
    try {
      follower.lookNow()
      for (let turn = 0; turn < 3; turn++) await new Promise<void>((resolve) => setImmediate(resolve))
      const content: Model = new Map()
      for (const name of follower.tables()) {
        for (const [key, { n }] of follower.table<Entry>(name).entries()) content.set(`${name}/${key}`, n)
      }
      return outcomeOf(content, store)
    } finally {
      await untilSettled(platform, follower.close())
    }
  } catch (error) {
    return refusalOf(error)
  }
}

/** Gives a byte another value. */
export function setByte(disk: SimulatedDisk, file: string, offset: number, before: number, after: number): void {
  for (let bit = 0; bit < 8; bit++) {
    if (((before ^ after) >>> bit) & 1) disk.flipBit(`${DIRECTORY}/${file}`, offset, bit)
  }
}

function outcomeOf(content: Model, store: RottenStore): string {
  const wrong = differences(content, store.content)
  if (wrong.length === 0) return "exact"
  return differences(content, store.contentBeforeLast).length === 0 ? "cut" : `wrong: ${wrong.slice(0, 3).join("; ")}`
}

function refusalOf(error: unknown): string {
  return error instanceof OrreryError ? "refused" : `an error without a type: ${String(error)}`
}

function withoutLock(disk: SimulatedDisk): Files {
  const files = disk.files()
  files.delete(`${DIRECTORY}/LOCK`)
  return files
}

function differingFiles(before: Files, after: Files): string[] {
  const names = new Set([...before.keys(), ...after.keys()])
  return [...names].filter(
    (name) => Buffer.compare(before.get(name) ?? new Uint8Array(0), after.get(name) ?? new Uint8Array(0)) !== 0,
  )
}
