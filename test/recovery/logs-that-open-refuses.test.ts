// Logs whose every checksum is right and whose records make no sense: whoever folds one refuses it, and names the file,
// the place in it and the last commit before. No such log gets into anybody's state, and none is a broken invariant.

import { expect, test } from "vitest"
import { open } from "../../src/index.ts"
import { followLog } from "../../src/cli/log-follower.ts"
import { foldCheckpoint } from "../../src/checkpoint/fold-checkpoint.ts"
import { FRAME_COMMITS, FRAME_HEADER_SIZE, lastLsnOf } from "../../src/format/frame.ts"
import { segmentFile } from "../../src/format/file-names.ts"
import {
  KIND_DEFINE_SHAPE,
  KIND_DEFINE_TABLE,
  RECORD_FLAGS,
  RECORD_KEY_SIZE,
  RECORD_KIND,
  RECORD_TABLE,
  RECORD_VALUE_SIZE,
  recordSize,
} from "../../src/format/record.ts"
import { salvageStore } from "../../src/recovery/salvage.ts"
import { verifyStore } from "../../src/recovery/verify.ts"
import { simulatePlatform } from "../../src/simulation/simulated-platform.ts"
import type { SimulatedPlatform } from "../../src/simulation/simulated-platform.ts"
import { takeDirectory } from "../../src/store/store-directory.ts"
import { readLog } from "../../src/wal/log-reader.ts"
import { recoverDisk } from "../property/recovered-state.ts"
import { differences, SHARDS, untilSettled } from "../property/store-history.ts"
import { checkedStore, contentWithout, openedContent } from "./checked-store.ts"
import type { Files } from "./checked-store.ts"
import { withFrames } from "./rebuilt-log.ts"
import { copyOfDisk, DIRECTORY, framesIn, segmentsIn } from "./reference-store.ts"

interface PlacedRecord {
  readonly at: number
  readonly kind: number
  readonly id: number
}

/** Changes one record of the log, and seals everything anew. */
interface Case {
  readonly name: string
  readonly picks: (record: PlacedRecord, lsn: number) => boolean
  readonly change: (payload: Buffer, at: number) => void
  readonly found: string
}

const isPutOf =
  (wanted: number) =>
  ({ kind }: PlacedRecord, lsn: number): boolean =>
    kind <= 2 && lsn === wanted

const cases: readonly Case[] = [
  {
    name: "defines a table again, under another name",
    picks: ({ kind, id }) => kind === KIND_DEFINE_TABLE && id === 2,
    change: (payload, at) => payload.writeUInt32LE(1, at + RECORD_TABLE),
    found: "the table 1 is defined again, under another name",
  },
  {
    name: "defines a shape that is none",
    picks: ({ kind }) => kind === KIND_DEFINE_SHAPE,
    change: (payload, at) => payload.writeUInt16LE(0, at + 16),
    found: "a shape of 0 fields",
  },
  {
    name: "names a table that was never defined",
    picks: isPutOf(9),
    change: (payload, at) => payload.writeUInt32LE(4_000_000_000, at + RECORD_TABLE),
    found: "a record of table 4000000000, which is not defined",
  },
  {
    name: "holds a record of an unknown kind",
    picks: isPutOf(9),
    change: (payload, at) => payload.writeUInt8(9, at + RECORD_KIND),
    found: "a record of kind 9, which is unknown",
  },
  {
    name: "begins inside a commit",
    picks: isPutOf(9),
    change: (payload, at) => payload.writeUInt8(1, at + RECORD_FLAGS),
    found: "the rest of a commit at its beginning",
  },
  {
    name: "has more commits than its frame says",
    picks: isPutOf(2),
    change: (payload, at) => payload.writeUInt8(0, at + RECORD_FLAGS),
    found: "commits up to LSN 3, where its header says 2",
  },
  {
    name: "holds a record that goes beyond its frame",
    picks: isPutOf(9),
    change: (payload, at) => payload.writeUInt32LE(0x8000_0000, at + RECORD_VALUE_SIZE),
    found: "a record that goes beyond its end",
  },
]

/** The changed files, and where the record lies. */
function contradict(
  files: Files,
  { picks, change }: Case,
): { files: Files; file: string; offset: number; lsn: number } {
  let place: { file: string; offset: number; lsn: number } | undefined
  const changed = withFrames(files, (frame, payload) => {
    if (frame.kind !== FRAME_COMMITS) return undefined
    const record = recordsIn(payload).find((one) => picks(one, frame.firstLsn))
    if (record === undefined || place !== undefined) return undefined
    change(payload, record.at)
    const offset = frame.offset + FRAME_HEADER_SIZE + record.at
    place = { file: segmentFile(frame.segment), offset, lsn: frame.firstLsn - 1 }
    return undefined
  })
  if (place === undefined) throw new Error("no record was changed")
  return { files: changed, ...place }
}

function recordsIn(payload: Buffer): PlacedRecord[] {
  const records: PlacedRecord[] = []
  for (let at = 0; at < payload.length;) {
    records.push({ at, kind: payload.readUInt8(at + RECORD_KIND), id: payload.readUInt32LE(at + RECORD_TABLE) })
    at += recordSize(payload.readUInt16LE(at + RECORD_KEY_SIZE), payload.readUInt32LE(at + RECORD_VALUE_SIZE))
  }
  return records
}

async function platformWith(files: Files): Promise<SimulatedPlatform> {
  return simulatePlatform({ seed: 3, disk: await copyOfDisk(files) })
}

/** Folds the log of a store into a checkpoint, as the worker does. */
async function folded(files: Files): Promise<unknown> {
  const disk = await copyOfDisk(files)
  const platform = simulatePlatform({ seed: 1, disk })
  const { log, manifest } = await takeDirectory(platform, DIRECTORY, false, 4096)
  const extents = segmentsIn(files).flatMap((segment) => {
    const frames = framesIn(files, segment)
    const [first, last] = [frames[0], frames.at(-1)]
    if (first === undefined || last === undefined) return []
    return [{ segment, firstLsn: first.firstLsn, lastLsn: lastLsnOf(last), endOffset: last.end, marks: [] }]
  })
  return foldCheckpoint({
    directory: log,
    number: 9,
    base: undefined,
    readLog: (after) => readLog(log, extents, { lsn: manifest.firstLsn }, new Map(), after, 1_000),
    createdMs: 0,
    pace: () => undefined,
  })
}

for (const wrong of cases) {
  test(`a log that ${wrong.name} is refused by all who fold it, with its place`, async () => {
    const store = await checkedStore({ parts: [20], end: "closed" })
    const { files, file, offset, lsn } = contradict(store.files, wrong)
    const refusal = { _tag: "Corruption", file, offset, lsn, found: expect.stringContaining(wrong.found) as string }

    const platform = await platformWith(files)
    const before = platform.fileSystem.files()
    await expect(untilSettled(platform, open(DIRECTORY, { platform, shards: SHARDS }))).rejects.toMatchObject(refusal)
    expect(platform.fileSystem.files()).toEqual(before)
    await expect(recoverDisk(await copyOfDisk(files), 1, false)).rejects.toMatchObject(refusal)
    for (const options of [{}, { at: 15 }, { follow: true }] as const) {
      const other = await platformWith(files)
      const reading = untilSettled(other, open(DIRECTORY, { ...options, platform: other, readOnly: true }))
      await expect(reading).rejects.toMatchObject(refusal)
    }
    await expect(folded(files)).rejects.toMatchObject(refusal)
  })

  test(`verify names a log that ${wrong.name}, and salvage loses no more than its commits`, async () => {
    const store = await checkedStore({ parts: [20], end: "closed" })
    const { files, file } = contradict(store.files, wrong)
    const report = await verifyStore(await platformWith(files), DIRECTORY)
    expect(report.verdict).toBe("damaged")
    expect(report.findings.find(({ isDamage }) => isDamage)).toMatchObject({ file })
    const disk = await copyOfDisk(files)
    const saved = await salvageStore(simulatePlatform({ seed: 2, disk }), DIRECTORY, "/saved")
    expect(saved.lostRanges.length).toBeGreaterThan(0)
    const left = contentWithout(store.commits, saved.lostRanges)
    expect(differences(await openedContent(disk, "/saved"), left)).toEqual([])
  })
}

test("orrery tail names the place of what it cannot read, and gives what is before", async () => {
  const store = await checkedStore({ parts: [20], end: "closed" })
  const { files, file, offset, lsn } = contradict(store.files, cases[0] as Case)
  const given: number[] = []
  const all = (async () => {
    for await (const [change] of followLog(await platformWith(files), DIRECTORY, { after: undefined, waits: false })) {
      given.push(change?.lsn ?? 0)
    }
  })()
  await expect(all).rejects.toMatchObject({ _tag: "Corruption", file, offset, lsn })
  expect(given).toEqual(store.commits.filter((commit) => commit.lsn <= lsn).map((commit) => commit.lsn))
})
