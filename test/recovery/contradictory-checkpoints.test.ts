// Checkpoints that contradict themselves under good checksums, which only a defect of the writer makes: verify names what
// is wrong with them, salvage takes the one before, and where `open` would load wrong state of one it takes the one before
// too, with a warning.

import { beforeAll, describe, expect, test } from "vitest"
import {
  BLOCK_DEFINITIONS,
  BLOCK_END,
  BLOCK_HEAD,
  BLOCK_LOG,
  BLOCK_RECORDS,
  BLOCK_ROOT,
  ROOT_PAYLOAD_SIZE,
} from "../../src/format/checkpoint-block.ts"
import { open } from "../../src/index.ts"
import { checkpointFile } from "../../src/format/file-names.ts"
import {
  allocateRecordBuffer,
  KIND_DEFINE_SHAPE,
  KIND_DEFINE_TABLE,
  RECORD_KIND,
  RECORD_TABLE,
} from "../../src/format/record.ts"
import { RecordWriter } from "../../src/format/record-writer.ts"
import { ShapeRegistry } from "../../src/format/shape-registry.ts"
import { ValueEncoder } from "../../src/format/value-encoder.ts"
import { loadState } from "../../src/checkpoint/state-loader.ts"
import { directoryOf } from "../../src/recovery/store-files.ts"
import { Catalogue } from "../../src/table/catalogue.ts"
import { ShardTables } from "../../src/table/shard-tables.ts"
import { salvageStore } from "../../src/recovery/salvage.ts"
import { verifyStore } from "../../src/recovery/verify.ts"
import type { VerifyReport } from "../../src/recovery/verify.ts"
import type { SimulatedDisk } from "../../src/simulation/simulated-disk.ts"
import { simulatePlatform } from "../../src/simulation/simulated-platform.ts"
import { blocksOf, counted, holding, recordsIn, withBlocks } from "../checkpoint/rebuilt-checkpoint.ts"
import type { Block } from "../checkpoint/rebuilt-checkpoint.ts"
import { recoverDisk } from "../property/recovered-state.ts"
import { differences, untilSettled } from "../property/store-history.ts"
import { checkedStore } from "./checked-store.ts"
import type { CheckedStore, Files } from "./checked-store.ts"
import { contentAt, copyOfDisk, DIRECTORY, manifestIn } from "./reference-store.ts"

type Change = (blocks: readonly Block[]) => readonly Block[]

/** What is written wrong, and how it is told. */
type Case = readonly [what: string, told: string, change: Change]

/** The n-th block of a kind, changed. */
const changing =
  (kind: number, change: (block: Block) => Block, n = 0): Change =>
  (blocks) => {
    const chosen = blocks.filter((block) => block.kind === kind)[n]
    return blocks.map((block) => (block === chosen ? change(block) : block))
  }
/** One record of the first block of a kind, changed in its place. */
const spoiling = (kind: number, spoil: (record: Buffer) => void, n = 0): Change =>
  changing(kind, (block) => {
    const records = recordsIn(block)
    spoil(records[n] as Buffer)
    return holding(block, records)
  })
const only = (blocks: readonly Block[], ...kinds: readonly number[]): Block[] =>
  blocks.filter(({ kind }) => kinds.includes(kind))
const without = (blocks: readonly Block[], ...kinds: readonly number[]): Block[] =>
  blocks.filter(({ kind }) => !kinds.includes(kind))

/** A 'define table' or 'define shape' record. */
function definition(write: (writer: RecordWriter, buffer: ReturnType<typeof allocateRecordBuffer>) => number): Buffer {
  const buffer = allocateRecordBuffer(1024)
  const writer = new RecordWriter({ low: 0, high: 0 }, new ValueEncoder(new ShapeRegistry()))
  return Buffer.from(buffer.bytes.subarray(0, write(writer, buffer)))
}
const defining = (...records: readonly Buffer[]): Change =>
  changing(BLOCK_DEFINITIONS, (block) => holding(block, [...recordsIn(block), ...records]))

/** What keeps the blocks from being read in their order. */
const ORDER: readonly Case[] = [
  ["a second head", "a second head in block", ([head, ...rest]) => [head, head, ...rest] as Block[]],
  [
    "definitions behind records",
    "definitions behind records in block",
    (blocks) => [...without(blocks, BLOCK_END), ...only(blocks, BLOCK_DEFINITIONS), ...only(blocks, BLOCK_END)],
  ],
  [
    "the last table first",
    "tables out of order in block",
    (blocks) => [
      ...without(blocks, BLOCK_RECORDS, BLOCK_END),
      ...only(blocks, BLOCK_RECORDS).toReversed(),
      ...only(blocks, BLOCK_END),
    ],
  ],
  [
    "records of no table",
    "tables out of order in block",
    changing(BLOCK_RECORDS, (block) => ({ ...block, tableId: 0 })),
  ],
  [
    "the list of segments behind the definitions",
    "a misplaced list of segments in block",
    (blocks) => [...only(blocks, BLOCK_HEAD, BLOCK_DEFINITIONS), ...without(blocks, BLOCK_HEAD, BLOCK_DEFINITIONS)],
  ],
  [
    "half a segment in the list of segments",
    "a misplaced list of segments in block",
    changing(BLOCK_LOG, (block) => ({ ...block, payload: Buffer.concat([block.payload, Buffer.alloc(16)]) })),
  ],
  [
    "a block of another state",
    "no valid block",
    changing(BLOCK_RECORDS, (block) => ({ ...block, throughLsn: block.throughLsn - 1 })),
  ],
  [
    "an end that counts a record more",
    "an end that does not fit what was read in block",
    changing(BLOCK_END, (block) => {
      const payload = Buffer.from(block.payload)
      payload.writeUInt32LE(payload.readUInt32LE(0) + 1, 0)
      return { ...block, payload }
    }),
  ],
  [
    "an end with room for two counts",
    "an end that does not fit what was read in block",
    changing(BLOCK_END, (block) => ({ ...block, payload: Buffer.concat([block.payload, block.payload]) })),
  ],
]

/** What makes tables of it impossible. */
const RECORDS: readonly Case[] = [
  [
    "a record that is longer than its block",
    "block",
    changing(BLOCK_RECORDS, (block) => {
      const records = recordsIn(block)
      const last = records.at(-1) as Buffer
      last.writeUInt32LE(last.readUInt32LE(4) + 8, 4)
      return holding(block, records)
    }),
  ],
  [
    "a value that is longer than any block",
    "block",
    spoiling(BLOCK_RECORDS, (record) => record.writeUInt32LE(0xffff_fff0, 4)),
  ],
  [
    "a block that counts a record less",
    "records where the block says",
    changing(BLOCK_RECORDS, (block) => ({ ...block, recordCount: block.recordCount - 1 })),
  ],
  [
    "records in reverse",
    "records out of order",
    changing(BLOCK_RECORDS, (block) => holding(block, recordsIn(block).toReversed())),
  ],
  [
    "a table that nothing defines",
    "the table 9, which is not defined",
    changing(BLOCK_RECORDS, (block) => ({ ...block, tableId: 9 }), 1),
  ],
]

/** What makes the definitions impossible. */
const DEFINITIONS: readonly Case[] = [
  [
    "a put among the definitions",
    "kind 1 among the definitions",
    (blocks) => {
      const [record] = recordsIn(only(blocks, BLOCK_RECORDS)[0] as Block)
      const put = Buffer.from(record as Buffer)
      put[RECORD_KIND] = 1
      return defining(put)(blocks)
    },
  ],
  [
    "a definition that is longer than its block",
    "records do not fill their block",
    spoiling(BLOCK_DEFINITIONS, (record) => record.writeUInt32LE(4_000, 4)),
  ],
  [
    "a table under two names",
    "the table 1 is defined again, under another name",
    defining(definition((writer, buffer) => writer.defineTable(buffer, 0, 0, 1, "other"))),
  ],
  [
    "a table under two numbers",
    "a table is defined again, under the number 7",
    (blocks) => {
      const name = recordsIn(only(blocks, BLOCK_DEFINITIONS)[0] as Block)[0] as Buffer
      const again = Buffer.from(name)
      again.writeUInt32LE(7, RECORD_TABLE)
      return defining(again)(blocks)
    },
  ],
  [
    "a table without a number",
    "a table of number 0",
    defining(definition((writer, buffer) => writer.defineTable(buffer, 0, 0, 0, "none"))),
  ],
  [
    "a shape with other fields",
    "the shape 0 is defined again, with other fields",
    defining(definition((writer, buffer) => writer.defineShape(buffer, 0, 0, 0, ["other"]))),
  ],
  [
    "a shape with the same field twice",
    "a shape with the same field twice",
    defining(definition((writer, buffer) => writer.defineShape(buffer, 0, 0, 5, ["a", "a"]))),
  ],
  [
    "a shape that is a table",
    "a table with a value",
    (blocks) => {
      const shape = definition((writer, buffer) => writer.defineShape(buffer, 0, 0, 5, ["a"]))
      shape[RECORD_KIND] = KIND_DEFINE_TABLE
      return defining(shape)(blocks)
    },
  ],
  [
    "a table that is a shape",
    "a shape with a key",
    (blocks) => {
      const table = definition((writer, buffer) => writer.defineTable(buffer, 0, 0, 5, "five"))
      table[RECORD_KIND] = KIND_DEFINE_SHAPE
      return defining(table)(blocks)
    },
  ],
]

/** What tables can be made of, and is wrong all the same: to prove each record takes longer than `open` has time for. */
const MEANING: readonly Case[] = [
  [
    "a key that is there twice",
    "a key that is there twice",
    changing(BLOCK_RECORDS, (block) => {
      const records = recordsIn(block)
      return holding(block, [...records, records.at(-1) as Buffer])
    }),
  ],
  [
    "a record of a later commit",
    "a record of LSN 4294967295",
    spoiling(BLOCK_RECORDS, (record) => record.writeUInt32LE(0xffff_ffff, 12)),
  ],
  ["a record of no commit", "a record of LSN 0", spoiling(BLOCK_RECORDS, (record) => record.fill(0, 10, 16))],
  [
    "a key with another's hash",
    "a hash that is not its key's",
    spoiling(BLOCK_RECORDS, (record) => (record[16] = (record[16] as number) ^ 1)),
  ],
  [
    "a value that cannot be decoded",
    "not an encoded value",
    spoiling(BLOCK_RECORDS, (record) => (record[16 + record.readUInt16LE(8)] = 0xff)),
  ],
]

/** What is right in itself, and not what the log says. */
const HISTORY: readonly Case[] = [
  [
    "a table that the log does not define",
    "it defines other tables",
    defining(definition((writer, buffer) => writer.defineTable(buffer, 0, 0, 5, "five"))),
  ],
  [
    "a table under another number",
    "it defines tables under other numbers",
    (blocks) => {
      const renumbered = spoiling(BLOCK_DEFINITIONS, (record) => record.writeUInt32LE(3, RECORD_TABLE), 1)(blocks)
      return changing(BLOCK_RECORDS, (block) => ({ ...block, tableId: 3 }), 1)(renumbered)
    },
  ],
  [
    "a shape that the log does not define",
    "it defines other shapes",
    defining(definition((writer, buffer) => writer.defineShape(buffer, 0, 0, 5, ["a"]))),
  ],
  [
    "a table whose records are gone",
    "records that the log put into table 2, 0 are there",
    (blocks) => blocks.filter(({ kind, tableId }) => kind !== BLOCK_RECORDS || tableId !== 2),
  ],
  [
    "another Merkle root than its records have",
    "its records have the Merkle root",
    ([head, log, ...rest]) => [
      head as Block,
      log as Block,
      { ...(log as Block), kind: BLOCK_ROOT, payload: Buffer.alloc(ROOT_PAYLOAD_SIZE, 7) },
      ...rest,
    ],
  ],
]

let store: CheckedStore

beforeAll(async () => {
  store = await checkedStore({ parts: [30, 15, 3], end: "closed", padSize: 90 })
})

function changed(change: Change): Files {
  return withBlocks(store.files, 2, counted(change(blocksOf(store.files, 2))))
}

/** Where the end is what is changed, it is left as it is. */
function changedAsIs(change: Change): Files {
  return withBlocks(store.files, 2, change(blocksOf(store.files, 2)))
}

async function verified(disk: SimulatedDisk): Promise<VerifyReport> {
  return verifyStore(simulatePlatform({ seed: 1, disk }), DIRECTORY)
}

function damageIn({ findings }: VerifyReport): string[] {
  return findings.flatMap(({ isDamage, what }) => (isDamage ? [what] : []))
}

async function expectTold(files: Files, told: string): Promise<void> {
  const disk = await copyOfDisk(files)
  const report = await verified(disk)
  expect(report).toMatchObject({ verdict: "damaged", checkpoints: 1, commits: store.commits.length })
  expect(report.findings).toMatchObject([
    { file: checkpointFile(2), isDamage: true, what: expect.stringContaining(told) },
  ])
  const saved = await salvageStore(simulatePlatform({ seed: 2, disk }), DIRECTORY, "/saved")
  expect(saved).toMatchObject({ checkpoint: 1, lostRangeCount: 0 })
  expect(disk.openFileCount).toBe(0)
}

async function expectPassedOver(files: Files, told: string): Promise<void> {
  const { content, report } = await recoverDisk(await copyOfDisk(files), 1, true)
  expect(differences(content, contentAt(store.commits))).toEqual([])
  expect(report).toMatchObject({ checkpoint: 1, checksumFailures: 1 })
  expect(report.warnings).toEqual([expect.stringContaining(told)])
  expect(report.warnings[0]).toContain(checkpointFile(2))
}

test("a checkpoint that is put together as it was is the same, and has everything that is changed below", async () => {
  const blocks = blocksOf(store.files, 2)
  expect(blocks.map(({ kind }) => kind)).toEqual([
    BLOCK_HEAD,
    BLOCK_LOG,
    BLOCK_DEFINITIONS,
    BLOCK_RECORDS,
    BLOCK_RECORDS,
    BLOCK_END,
  ])
  for (const block of only(blocks, BLOCK_RECORDS)) expect(block.recordCount).toBeGreaterThan(2)
  expect(changed((same) => same)).toEqual(store.files)
  const { report } = await recoverDisk(await copyOfDisk(store.files), 1, true)
  expect(report).toMatchObject({ checkpoint: 2, warnings: [] })
})

describe("verify tells of, and salvage does without", () => {
  test.each(ORDER)("%s", async (_, told, change) => {
    await expectTold(changedAsIs(change), told)
  })

  test.each([...RECORDS, ...DEFINITIONS, ...MEANING])("%s", async (_, told, change) => {
    await expectTold(changed(change), told)
  })
})

describe("verify tells of", () => {
  test.each(HISTORY)("%s", async (_, told, change) => {
    const { verdict, findings } = await verified(await copyOfDisk(changed(change)))
    expect(verdict).toBe("damaged")
    expect(findings).toMatchObject([{ file: checkpointFile(2), isDamage: true, what: expect.stringContaining(told) }])
  })

  test.each([
    ["goes", (blocks: readonly Block[]) => blocks.filter(({ tableId }) => tableId !== 2)],
    [
      "comes",
      (blocks: readonly Block[]) => {
        const [block] = only(blocks, BLOCK_RECORDS)
        return blocks.flatMap((one) => (one.kind === BLOCK_END ? [{ ...(block as Block), tableId: 3 }, one] : [one]))
      },
    ],
  ])("a table that the log does not touch, and that %s with all its records", async (_, change) => {
    const three = ["t0", "t1", "t2"]
    const platform = simulatePlatform({ seed: 1 })
    const done = <T>(work: Promise<T>): Promise<T> => untilSettled(platform, work)
    const made = await done(open(DIRECTORY, { platform, checkpoint: false, keep: { checkpoints: 5 } }))
    for (const name of three) await done(made.table(name).put("a", 1))
    await done(made.table("t2").delete("a"))
    await done(made.checkpoint())
    await done(made.table("t0").put("b", 2))
    await done(made.checkpoint())
    await done(made.close())
    const files = platform.fileSystem.files()
    const disk = await copyOfDisk(withBlocks(files, 2, counted(change(blocksOf(files, 2)))))
    expect(damageIn(await verified(disk))).toEqual([
      expect.stringMatching(/differs in records that the log did not touch$/),
    ])
  })
})

describe("open passes over, and takes the one before", () => {
  test.each(ORDER)("%s", async (_, told, change) => {
    await expectPassedOver(changedAsIs(change), told)
  })

  test.each([...RECORDS, ...DEFINITIONS])("%s", async (_, told, change) => {
    await expectPassedOver(changed(change), told)
  })
})

describe("a shard that is brought up alone is not brought up from", () => {
  test.each(RECORDS)("%s", async (_, told, change) => {
    const disk = await copyOfDisk(changed(change))
    const directory = directoryOf(simulatePlatform({ seed: 1, disk }), DIRECTORY, manifestIn(store.files))
    const shards = [undefined, new ShardTables(), undefined]
    await expect(loadState(directory, 2, new Catalogue(), shards)).rejects.toMatchObject({
      _tag: "Corruption",
      file: checkpointFile(2),
      found: expect.stringContaining(told),
    })
    expect(disk.openFileCount).toBe(0)
  })
})

test("where the log begins behind the only checkpoint, open refuses, and says why, and changes nothing", async () => {
  const late = await checkedStore({ parts: [60, 20, 3], end: "closed", keep: 1 })
  const twice = defining(definition((writer, buffer) => writer.defineTable(buffer, 0, 0, 1, "other")))
  const disk = await copyOfDisk(withBlocks(late.files, 2, twice(blocksOf(late.files, 2))))
  const before = disk.files()
  await expect(recoverDisk(disk, 1, true)).rejects.toMatchObject({
    _tag: "Corruption",
    found: expect.stringContaining("the table 1 is defined again, under another name"),
  })
  expect(disk.files()).toEqual(before)
})
