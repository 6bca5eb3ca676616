// Fault classes 17 to 19, as one: any byte of a store may turn into any other. Whatever it is, verify says so, unless the
// byte is in the list of those that mean nothing; and whoever opens the store, reads its past or follows it gets the right
// state or an error of the engine's own, and changes nothing on refusal.
//
// One byte in 83 is taken, and the ends of every block, frame and file; with ORRERY_ROT_STRIDE=1 every one, which takes a
// quarter of an hour, and with ORRERY_ROT_PART=0/40 to 39/40 a part of these. The tests of recovery and of verify take every
// byte of smaller stores.

import { expect, test } from "vitest"
import { segmentFile } from "../../src/format/file-names.ts"
import { checkpointsIn } from "../checkpoint/store-with-checkpoints.ts"
import { measureFigures } from "../figures.ts"
import { copyOfDisk, framesIn, segmentsIn } from "../recovery/reference-store.ts"
import { followed, makeRottenStore, opened, promisesOf, readAt, setByte, verified } from "./rotten-store.ts"
import type { Promised, RottenStore } from "./rotten-store.ts"

const STRIDE_DEFAULT = 83
const STRIDE = Number(process.env["ORRERY_ROT_STRIDE"] ?? STRIDE_DEFAULT)
/** Every how many of the changes the slower readers look, too; where every byte is changed, at the first change of each. */
const SLOW_EVERY = 3
const [PART = 0, PART_COUNT = 1] = (process.env["ORRERY_ROT_PART"] ?? "0/1").split("/").map(Number)
const LIMIT_MS = STRIDE < STRIDE_DEFAULT ? 3_600_000 : 600_000

/** The values that a byte is given: one bit turned over, and of some all bits cleared or set. */
function valuesFor(before: number, offset: number, isSampled: boolean): number[] {
  const values = [before ^ (1 << ((offset * 5 + 3) % 8))]
  if (isSampled) values.push(...[0x00, 0xff].filter((value) => value !== before && value !== values[0]))
  return values
}

/** Offsets to look at: the first and the last of a range, and one in every stride. */
function offsetsOf({ start, end, verdict }: Promised): number[] {
  // Unused bytes are as good as each other: of many some are enough.
  const stride = verdict === "damaged" || end - start <= 64 ? STRIDE : STRIDE * 7
  const offsets = new Set([start, end - 1])
  for (let offset = start + ((start * 13) % stride); offset < end; offset += stride) offsets.add(offset)
  return [...offsets].sort((left, right) => left - right)
}

interface Tally {
  readonly wrong: string[]
  count: number
}

async function rotEverything(store: RottenStore, ranges: readonly Promised[]): Promise<Tally> {
  const tally: Tally = { wrong: [], count: 0 }
  const base = await copyOfDisk(store.files, { keepsTrace: false })
  let place = 0
  for (const range of ranges) {
    const bytes = store.files.get(`/data/${range.file}`) as Uint8Array
    for (const offset of offsetsOf(range)) {
      if (place++ % PART_COUNT !== PART) continue
      const before = bytes[offset] as number
      const isSampled = tally.count % 5 === 0
      for (const [index, after] of valuesFor(before, offset, isSampled).entries()) {
        const disk = base.snapshot({ keepsTrace: false })
        setByte(disk, range.file, offset, before, after)
        const found: Record<string, string> = { verdict: await verified(disk) }
        const turn = STRIDE === 1 ? index : tally.count % SLOW_EVERY
        if (turn === 0) {
          found["read"] = await readAt(disk, undefined, store)
          found["past"] = await readAt(disk, store.pastLsn, store)
        }
        if (turn === (STRIDE === 1 ? 0 : 1)) found["followed"] = await followed(disk, store)
        found["opened"] = await opened(disk, store, range.file)
        tally.count++
        const { verdict, opened: open, read, past } = range
        const expected: Record<string, string> = { verdict, opened: open, read, past, followed: read }
        for (const [what, outcome] of Object.entries(found)) {
          if (outcome === expected[what]) continue
          const place = `${range.file} byte ${offset} (${range.reason}) from ${before} to ${after}`
          tally.wrong.push(`${place}: ${what}: ${outcome}, expected ${expected[what]}`)
        }
      }
    }
  }
  return tally
}

/** Reasons for which rot in a byte is no damage: all of them, and each with what it stands for. */
const REASONS_CLOSED = [
  "a lock, a spare or the audit log: holds nothing of the state",
  "behind the end of a segment: zeros, or frames of a file's former life",
  "the last seal: holds nothing, and is written again",
]
const REASONS_KILLED = [
  "behind the end of a segment: zeros, or frames of a file's former life",
  "the last frame of a store that was killed: nothing tells rot there from a write that was cut off",
]

function expectListed(store: RottenStore, promises: readonly Promised[], reasons: readonly string[]): void {
  const found = promises.flatMap(({ verdict, reason }) => (verdict === "damaged" ? [] : [reason]))
  expect([...new Set(found)].sort()).toEqual(reasons)
  // Every byte of every file is in one range.
  for (const [path, bytes] of store.files) {
    let end = 0
    for (const range of promises.filter(({ file }) => path === `/data/${file}`)) {
      expect(range.start).toBe(end)
      end = range.end
    }
    expect(end).toBe(bytes.length)
  }
}

test(
  "of a store that was closed: all that counts is found, and what is answered is right",
  async () => {
    const store = await makeRottenStore("closed", 1)
    const promises = promisesOf(store.files)
    expect(checkpointsIn(store.files)).toHaveLength(3)
    expect(segmentsIn(store.files)[0]).toBeGreaterThan(1)
    expect(segmentsIn(store.files).length).toBeGreaterThanOrEqual(3)
    expect(store.content.size).toBeGreaterThan(200)
    expectListed(store, promises, REASONS_CLOSED)
    const tell = measureFigures("rot in a closed store", PART)
    const { wrong, count } = await rotEverything(store, promises)
    tell({ "changes of a byte": count })
    expect(wrong).toEqual([])
    expect(count).toBeGreaterThan(500 / PART_COUNT)
  },
  LIMIT_MS,
)

test(
  "of a store that was killed: the same, and only the last frame may look as if it was never finished",
  async () => {
    const store = await makeRottenStore("killed", 2)
    const promises = promisesOf(store.files)
    expectListed(store, promises, REASONS_KILLED)
    // What differs from a store that was closed: of the rest its test has taken every byte.
    const last = segmentFile(
      segmentsIn(store.files).findLast((segment) => framesIn(store.files, segment).length > 0) ?? 0,
    )
    const ranges = promises.filter(({ file }) => file === last || file.startsWith("manifest"))
    const tell = measureFigures("rot in a killed store", PART)
    const { wrong, count } = await rotEverything(store, ranges)
    tell({ "changes of a byte": count })
    expect(wrong).toEqual([])
    expect(count).toBeGreaterThan(50 / PART_COUNT)
  },
  LIMIT_MS,
)
