// Rot: one bit of every byte that a store holds turns over, and of its unused space in steps. Nothing is ever answered
// wrongly; what was sealed, or known to be durable by a later frame, is never lost in silence.

import { describe, expect, test } from "vitest"
import { FRAME_SEAL } from "../../src/format/frame.ts"
import { segmentFile } from "../../src/format/file-names.ts"
import { SEGMENT_HEADER_SIZE } from "../../src/format/segment-header.ts"
import { Corruption } from "../../src/model/errors.ts"
import type { SimulatedDisk } from "../../src/simulation/simulated-disk.ts"
import { recoverDisk } from "../property/recovered-state.ts"
import { differences, untilSettled } from "../property/store-history.ts"
import { contentAt, copyOfDisk, framesIn, makeStore, segmentsIn } from "./reference-store.ts"
import type { PlacedFrame, ReferenceStore } from "./reference-store.ts"

/** What may come of a flip. */
type Outcome =
  /** Nothing is lost. */
  | "unharmed"
  /** Refused, and the file named. */
  | "refused"
  /** The last frame is cut off, as if it had been torn: nothing tells rot there from a crash. */
  | "cut"

interface Tally {
  readonly counts: Record<Outcome, number>
  readonly wrong: string[]
}

interface Region {
  readonly name: string
  readonly start: number
  readonly end: number
  readonly allowed: Outcome
}

/** What must come of a flip in each part of each file. */
function regionsOf(files: ReadonlyMap<string, Uint8Array>): Region[] {
  const regions: Region[] = []
  const segments = segmentsIn(files)
  const used = segments.filter((segment) => framesIn(files, segment).length > 0)
  for (const [path, bytes] of files) {
    const name = path.slice(path.lastIndexOf("/") + 1)
    const segment = segments.find((number) => segmentFile(number) === name)
    if (segment === undefined) {
      // Manifests have a second copy; spares and locks hold nothing.
      regions.push({ name, start: 0, end: bytes.length, allowed: "unharmed" })
      continue
    }
    const frames = framesIn(files, segment)
    const last = frames.at(-1)
    const isTail = segment === used.at(-1)
    regions.push({ name, start: 0, end: SEGMENT_HEADER_SIZE, allowed: "refused" })
    for (const frame of frames) {
      const isEnd = isTail && frame === last
      const allowed = !isEnd ? "refused" : frame.kind === FRAME_SEAL ? "unharmed" : "cut"
      regions.push({ name, start: frame.offset, end: frame.end, allowed })
    }
    regions.push({ name, start: last?.end ?? SEGMENT_HEADER_SIZE, end: bytes.length, allowed: "unharmed" })
  }
  return regions
}

async function flipEverything(
  files: ReadonlyMap<string, Uint8Array>,
  commits: ReferenceStore["commits"],
  isMeant: (name: string) => boolean = () => true,
): Promise<Tally> {
  const tally: Tally = { counts: { unharmed: 0, refused: 0, cut: 0 }, wrong: [] }
  const base = await copyOfDisk(files, { keepsTrace: false })
  let disk = base.snapshot({ keepsTrace: false })
  const whole = contentAt(commits)
  const cutContent = contentAt(commits.slice(0, -1))
  for (const { name, start, end, allowed } of regionsOf(files).filter((region) => isMeant(region.name))) {
    // Zeros are as good as each other: of long ones some are enough.
    const step = allowed === "unharmed" && end - start > 256 ? 13 : 1
    for (let offset = start; offset < end; offset += step) {
      const bit = (offset * 5 + 3) % 8
      disk.flipBit(`/data/${name}`, offset, bit)
      const { outcome, why } = await outcomeOf(disk, name, offset, whole, cutContent)
      if (outcome !== undefined) tally.counts[outcome]++
      if (outcome !== allowed) tally.wrong.push(`${name} byte ${offset}: ${outcome} (${why}), expected ${allowed}`)
      // What is refused is not changed: the bit back, and it is as before.
      if (outcome === "refused") {
        disk.flipBit(`/data/${name}`, offset, bit)
        disk.unlockAll()
      } else disk = base.snapshot({ keepsTrace: false })
    }
  }
  return tally
}

async function outcomeOf(
  disk: SimulatedDisk,
  name: string,
  offset: number,
  whole: ReadonlyMap<string, number>,
  cutContent: ReadonlyMap<string, number>,
): Promise<{ outcome: Outcome | undefined; why: string }> {
  try {
    const { content, report } = await recoverDisk(disk, 1, false)
    if (differences(content, new Map(whole)).length === 0) return { outcome: "unharmed", why: report.tail }
    const wrong = differences(content, new Map(cutContent))
    return { outcome: wrong.length === 0 ? "cut" : undefined, why: wrong.join("; ") }
  } catch (error) {
    const isNamed = error instanceof Corruption && error.file === name && error.offset <= offset
    return { outcome: isNamed ? "refused" : undefined, why: String(error) }
  }
}

/** Bytes of frames and segment headers. */
function dataSize(files: ReadonlyMap<string, Uint8Array>): number {
  const sizeOf = (frames: readonly PlacedFrame[]): number =>
    frames.reduce((sum, { offset, end }) => sum + end - offset, 0)
  const segments = segmentsIn(files)
  return segments.reduce((sum, segment) => sum + SEGMENT_HEADER_SIZE + sizeOf(framesIn(files, segment)), 0)
}

describe("one bit of every byte of every file", () => {
  test("of a store that was killed: all sealed data is detected, only the last frame may look like a crash", async () => {
    const { platform, commits } = await makeStore({ commitCount: 53 })
    const files = platform.fileSystem.crash("kill").files()
    const segments = segmentsIn(files)
    const sealed = segments.filter((segment) => framesIn(files, segment).at(-1)?.kind === FRAME_SEAL)
    expect(sealed.length).toBeGreaterThanOrEqual(3)
    const tailFrames = framesIn(files, sealed.length + 1)
    expect(tailFrames.length).toBeGreaterThanOrEqual(3)
    const last = tailFrames.at(-1) as PlacedFrame
    const { counts, wrong } = await flipEverything(files, commits)
    expect(wrong).toEqual([])
    expect(counts.cut).toBe(last.end - last.offset)
    expect(counts.refused).toBe(dataSize(files) - counts.cut)
    expect(counts.unharmed).toBeGreaterThan(500)
  })

  test("of a store that was closed: all data is detected, and a bad last seal is written again", async () => {
    const { platform, store, commits } = await makeStore({ commitCount: 40, seed: 2 })
    await untilSettled(platform, store.close())
    const files = platform.fileSystem.files()
    // The segments before the last one are as in a store that was killed.
    const name = segmentFile(segmentsIn(files).at(-1) as number)
    const { counts, wrong } = await flipEverything(files, commits, (file) => file === name)
    expect(wrong).toEqual([])
    expect(counts).toEqual({ cut: 0, unharmed: 64, refused: (files.get(`/data/${name}`)?.length ?? 0) - 64 })
  })
})
