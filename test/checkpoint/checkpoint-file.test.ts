// Checkpoint files on a simulated disk: what was written is read; what was damaged, cut, mixed up or is somebody else's
// is Corruption, and no record comes out of it that was not put in; and no name is given to what is not whole.

import { describe, expect, test } from "vitest"
import { listCheckpoints, removeCheckpoint, removeUnfinished } from "../../src/checkpoint/checkpoint-files.ts"
import type { CheckpointDirectory } from "../../src/checkpoint/checkpoint-files.ts"
import { CheckpointReader, verifyCheckpoint } from "../../src/checkpoint/checkpoint-reader.ts"
import { CheckpointWriter } from "../../src/checkpoint/checkpoint-writer.ts"
import { loadState } from "../../src/checkpoint/state-loader.ts"
import { BLOCK_END, BLOCK_HEADER_SIZE, BLOCK_RECORDS, sealBlock } from "../../src/format/checkpoint-block.ts"
import { CHECKPOINT_NEW_FILE, checkpointFile } from "../../src/format/file-names.ts"
import { readU32, writeU64 } from "../../src/format/integers.ts"
import { Corruption, StorageFailed } from "../../src/model/errors.ts"
import { SHAPE_COUNT_MAX, VALUE_SIZE_MAX } from "../../src/model/limits.ts"
import type { FileMode } from "../../src/platform/file-system.ts"
import { SimulatedDisk } from "../../src/simulation/simulated-disk.ts"
import { Catalogue } from "../../src/table/catalogue.ts"
import { ShardTables } from "../../src/table/shard-tables.ts"
import { CREATED_MS, directoryOn, directoryWith, PATH, readCheckpoint, writeCheckpoint } from "./checkpoint-scene.ts"
import type { PlainRecord, RecordPlan } from "./checkpoint-scene.ts"

const FILE = `${PATH}/${checkpointFile(1)}`

/** Two tables and a few records: every byte of it can be tried. */
const SMALL: readonly RecordPlan[] = [
  { tableId: 1, key: "a", valueSize: 5, lsn: 1 },
  { tableId: 1, key: "b", valueSize: 0, lsn: 2 },
  { tableId: 1, key: "ключ", valueSize: 9, lsn: 2 ** 32 + 3 },
  { tableId: 2, key: "", valueSize: 8, lsn: 4 },
  { tableId: 2, key: "a", valueSize: 3, lsn: 5 },
  { tableId: 2, key: "c", valueSize: 6, lsn: 6 },
]

interface Written {
  readonly directory: CheckpointDirectory & { readonly fileSystem: SimulatedDisk }
  readonly files: ReadonlyMap<string, Uint8Array>
  readonly bytes: Uint8Array
  readonly records: readonly PlainRecord[]
}

async function written(plans: readonly RecordPlan[] = SMALL, store = 1, number = 1): Promise<Written> {
  const directory = await directoryOn(new SimulatedDisk(), store)
  const records = await writeCheckpoint(directory, plans, { number })
  const files = directory.fileSystem.files()
  return { directory, files, bytes: files.get(`${PATH}/${checkpointFile(number)}`) as Uint8Array, records }
}

/** Where blocks begin, and the end of the last. */
function blockStarts(bytes: Uint8Array): number[] {
  const starts = [0]
  for (let at = 0; at < bytes.length; starts.push(at)) at += BLOCK_HEADER_SIZE + readU32(bytes, at + 12)
  return starts
}

/** Reads a file with these bytes: what it throws, and every record that came out before. */
async function readBytes(from: Written, bytes: Uint8Array): Promise<{ error: unknown; records: PlainRecord[] }> {
  const directory = await directoryWith(from.directory, new Map([[FILE, bytes]]))
  const records: PlainRecord[] = []
  let error: unknown
  try {
    await readCheckpoint(directory, 1, (record) => records.push(record))
  } catch (reason) {
    error = reason
  }
  expect(directory.fileSystem.openFileCount).toBe(0)
  return { error, records }
}

/** The bytes are refused as damage, and what came out before is what was put in. */
async function expectRefused(from: Written, bytes: Uint8Array, where: string): Promise<void> {
  const { error, records } = await readBytes(from, bytes)
  if (!(error instanceof Corruption)) expect.fail(`${where}: ${String(error)}`)
  expect(error.file, where).toBe(checkpointFile(1))
  expect(records, where).toEqual(from.records.slice(0, records.length))
}

describe("a checkpoint that is whole", () => {
  test("is read as it was written, with a head that says what it is", async () => {
    const { directory, bytes, records } = await written()
    expect(await readCheckpoint(directory)).toMatchObject({ tables: ["table 1", "table 2"], records, blockCount: 3 })
    expect(await verifyCheckpoint(directory, 1)).toEqual({
      number: 1,
      throughLsn: 1000,
      records: SMALL.length,
      sizeBytes: bytes.length,
      createdMs: CREATED_MS,
    })
    expect(await listCheckpoints(directory)).toEqual([1])
  })

  test("may hold nothing at all", async () => {
    const { directory, bytes } = await written([])
    expect(await readCheckpoint(directory)).toEqual({ tables: [], shapes: [], records: [], blockCount: 0 })
    expect(bytes).toHaveLength(2 * BLOCK_HEADER_SIZE + 24 + 8)
    const shards = [new ShardTables(), new ShardTables()]
    expect((await loadState(directory, 1, new Catalogue(), shards)).info.records).toBe(0)
  })

  test("tells which segments of the log were sealed before it", async () => {
    const sealed = [
      { segment: 7, firstLsn: 1, lastLsn: 2 ** 40, endOffset: 4096 },
      { segment: 8, firstLsn: 2 ** 40 + 1, lastLsn: 2 ** 40 + 9, endOffset: 0xffffffff },
    ]
    const directory = await directoryOn()
    const writer = await CheckpointWriter.create(directory, 1, 1000, CREATED_MS)
    await writer.writeSealed(sealed)
    await writer.writeDefinitions(new Catalogue())
    await writer.finish(() => undefined)
    expect(await loadState(directory, 1, new Catalogue(), [new ShardTables()])).toMatchObject({ sealed })
    expect(await verifyCheckpoint(directory, 1)).toMatchObject({ throughLsn: 1000, records: 0 })
  })

  test("may hold tables without records", async () => {
    const directory = await directoryOn()
    const catalogue = new Catalogue()
    for (const [index, name] of ["one", "two", "three"].entries()) catalogue.define(index + 1, name)
    const records = await writeCheckpoint(directory, [{ tableId: 3, key: "k", valueSize: 1, lsn: 1 }], { catalogue })
    expect(await readCheckpoint(directory)).toMatchObject({ tables: ["one", "two", "three"], records })
  })

  test("holds records of every size side by side, also larger than a block, and of the largest value", async () => {
    const sizes = [0, 1, 7, 8, 9, 100, 4096, 65_536, 130_000, 131_000, 131_072, 140_000, 262_144, 1_500_000, 3]
    const plans = [...sizes, VALUE_SIZE_MAX, ...sizes].map((valueSize, n) => ({
      tableId: 1 + (n % 2),
      key: `${n}`.repeat(1 + (n % 40)),
      valueSize,
      lsn: n,
    }))
    const { directory, records } = await written(plans)
    expect((await readCheckpoint(directory)).records).toEqual(records)
  })

  test.each([131_072 - 64, 131_072 - 64 - 8, 131_072 - 64 + 8])(
    "fills a block of %d bytes of payload to the last byte, or goes on in the next",
    async (fill) => {
      // A record of half of it, and one of the other half.
      const half = fill / 2 - (16 + 4)
      const plans = ["aaaa", "bbbb", "cccc", "dddd"].map((key, n) => ({ tableId: 1, key, valueSize: half, lsn: n }))
      const { directory, records } = await written(plans)
      expect((await readCheckpoint(directory)).records).toEqual(records)
    },
  )

  test("holds many tables, with long names, over several blocks of definitions", async () => {
    const directory = await directoryOn()
    const catalogue = new Catalogue()
    const count = 3000
    for (let id = 1; id <= count; id++) catalogue.define(id, String(id).padStart(255, "n"))
    const plans = Array.from({ length: count }, (_, n) => ({ tableId: n + 1, key: "k", valueSize: n % 50, lsn: n }))
    const records = await writeCheckpoint(directory, plans, { catalogue })
    const read = await readCheckpoint(directory)
    expect(read.tables).toEqual(catalogue.names())
    expect(read.records).toEqual(records)
    expect(read.blockCount).toBeGreaterThan(count + 5)
  })

  test("holds as many shapes as a store may learn", async () => {
    const directory = await directoryOn()
    const catalogue = new Catalogue()
    for (let id = 0; id < SHAPE_COUNT_MAX; id++) {
      const fields = id % 64 === 0 ? Array.from({ length: 128 }, (_, n) => `${id} field ${n}`) : [`поле ${id}`, ""]
      catalogue.shapes.define(id, fields)
    }
    await writeCheckpoint(directory, [], { catalogue })
    const { shapes } = await readCheckpoint(directory)
    expect(shapes).toEqual(Array.from({ length: SHAPE_COUNT_MAX }, (_, id) => catalogue.shapes.fieldsOf(id)))
  })

  test("is loaded into any number of shards, or into one of them alone", async () => {
    const plans = Array.from({ length: 3000 }, (_, n) => ({
      tableId: 1 + (n % 3),
      key: `key ${n}`,
      valueSize: 9,
      lsn: n,
    }))
    const { directory } = await written(plans)
    const loaded: (readonly number[])[] = []
    for (const count of [1, 2, 3, 7, 64]) {
      const shards = Array.from({ length: count }, () => new ShardTables())
      await loadState(directory, 1, new Catalogue(), shards)
      const counts = shards.map((shard) => shard.partitions.reduce((sum, part) => sum + (part?.table.count ?? 0), 0))
      expect(counts.reduce((sum, n) => sum + n, 0)).toBe(3000)
      loaded.push(counts)
      const alone = new ShardTables()
      const others = shards.map((_, index) => (index === count - 1 ? alone : undefined))
      await loadState(directory, 1, new Catalogue(), others)
      expect(alone.partitions.reduce((sum, part) => sum + (part?.table.count ?? 0), 0)).toBe(counts.at(-1))
    }
    expect(new Set(loaded.map(String)).size).toBe(5)
  })
})

describe("a checkpoint that is damaged", () => {
  test("in any single byte is refused: every byte is under a checksum, or is one", async () => {
    const from = await written()
    for (let at = 0; at < from.bytes.length; at++) {
      for (const change of [0x01, 0x80, 0xff]) {
        const bytes = from.bytes.slice()
        bytes[at] = (bytes[at] as number) ^ change
        await expectRefused(from, bytes, `byte ${at} turned by ${change}`)
      }
    }
    expect((await readBytes(from, from.bytes)).records).toEqual(from.records)
  })

  test("and is loaded leaves nothing but Corruption, and is loaded well once it is mended", async () => {
    const from = await written()
    for (let at = 0; at < from.bytes.length; at += 3) {
      const bytes = from.bytes.slice()
      bytes[at] = (bytes[at] as number) ^ 0x10
      const directory = await directoryWith(from.directory, new Map([[FILE, bytes]]))
      const shards = [new ShardTables(), new ShardTables()]
      await expect(loadState(directory, 1, new Catalogue(), shards), `byte ${at}`).rejects.toThrow(Corruption)
      directory.fileSystem.flipBit(FILE, at, 4)
      for (const shard of shards) shard.clear()
      expect((await loadState(directory, 1, new Catalogue(), shards)).info.records).toBe(SMALL.length)
    }
  })

  test("cut at any length is refused, and so is one that goes on behind its end", async () => {
    const from = await written()
    for (let size = 0; size < from.bytes.length; size++)
      await expectRefused(from, from.bytes.slice(0, size), `${size} bytes`)
    for (const more of [1, 8, 64, 4096]) {
      const longer = new Uint8Array(from.bytes.length + more)
      longer.set(from.bytes)
      await expectRefused(from, longer, `${more} zeros behind the end`)
    }
    const twice = new Uint8Array(from.bytes.length * 2)
    twice.set(from.bytes)
    twice.set(from.bytes, from.bytes.length)
    await expectRefused(from, twice, "the whole of it twice")
  })

  test("cut between two blocks, or with a block gone, doubled or swapped, is refused", async () => {
    const plans = [1, 2, 3, 4].flatMap((tableId) => [
      { tableId, key: "x", valueSize: 40, lsn: tableId },
      { tableId, key: "y", valueSize: 40, lsn: tableId },
    ])
    const from = await written(plans)
    const starts = blockStarts(from.bytes)
    const blocks: Uint8Array[] = starts.slice(1).map((end, index) => from.bytes.slice(starts[index], end))
    // Head, definitions, four tables, end.
    expect(blocks).toHaveLength(7)
    expect(Buffer.concat(blocks).equals(from.bytes)).toBe(true)
    for (let index = 0; index < blocks.length; index++) {
      await expectRefused(from, Buffer.concat(blocks.slice(0, index)), `cut before block ${index}`)
      await expectRefused(from, Buffer.concat(blocks.toSpliced(index, 1)), `without block ${index}`)
      const block = blocks[index] as Uint8Array
      await expectRefused(from, Buffer.concat(blocks.toSpliced(index, 0, block)), `block ${index} twice`)
      for (let other = 0; other < index; other++) {
        const swapped = blocks.with(index, blocks[other] as Uint8Array).with(other, block)
        await expectRefused(from, Buffer.concat(swapped), `blocks ${other} and ${index} swapped`)
        const copied = blocks.with(index, blocks[other] as Uint8Array)
        await expectRefused(from, Buffer.concat(copied), `block ${other} over ${index}`)
      }
    }
  })

  test("is refused when a stretch of it is zeros", async () => {
    const from = await written(
      Array.from({ length: 60 }, (_, n) => ({ tableId: 1, key: `${n}`, valueSize: 50, lsn: n })),
    )
    for (let at = 0; at < from.bytes.length; at += 512) {
      const bytes = from.bytes.slice()
      bytes.fill(0, at, at + 512)
      await expectRefused(from, bytes, `a sector of zeros at ${at}`)
    }
    await expectRefused(from, new Uint8Array(from.bytes.length), "zeros and nothing else")
  })

  test("is refused when a block comes from another checkpoint of the store, from another store, or from before", async () => {
    const from = await written()
    const starts = blockStarts(from.bytes)
    const changed = SMALL.map((plan) => ({ ...plan, lsn: plan.lsn + 50 }))
    const otherNumber = (await written(changed, 1, 2)).bytes
    const otherStore = { ...(await directoryOn()), checksumSeed: 99 }
    await writeCheckpoint(otherStore, changed)
    const otherSeed = otherStore.fileSystem.files().get(FILE) as Uint8Array
    const later = await directoryOn()
    await writeCheckpoint(later, changed, { throughLsn: 1001 })
    const otherLsn = later.fileSystem.files().get(FILE) as Uint8Array
    for (const other of [otherNumber, otherSeed, otherLsn]) {
      expect(blockStarts(other)).toEqual(starts)
      for (let index = 0; index + 1 < starts.length; index++) {
        const bytes = from.bytes.slice()
        const [start, end] = [starts[index] as number, starts[index + 1] as number]
        bytes.set(other.subarray(start, end), start)
        await expectRefused(from, bytes, `block ${index}`)
      }
    }
  })

  test("is refused under another number, and in another store's directory", async () => {
    const from = await written()
    await from.directory.fileSystem.rename(FILE, `${PATH}/${checkpointFile(2)}`)
    await expect(readCheckpoint(from.directory, 2)).rejects.toThrow("no valid head")
    const other = await written(SMALL, 40)
    const { error } = await readBytes(from, other.bytes)
    expect(error).toBeInstanceOf(Corruption)
    expect(String(error)).toContain("belongs to another store")
  })
})

describe("a checkpoint whose checksums are right and whose content is not", () => {
  async function loaded(plans: readonly RecordPlan[], catalogue?: Catalogue, sorted = false): Promise<unknown> {
    const directory = await directoryOn()
    await writeCheckpoint(directory, plans, { sorted, ...(catalogue === undefined ? {} : { catalogue }) })
    return loadState(directory, 1, new Catalogue(), [new ShardTables()]).catch((error: unknown) => error)
  }
  const key = (hash: number): RecordPlan => ({ tableId: 1, key: `key ${hash}`, valueSize: 4, lsn: 1, hash })

  test("is refused for records out of order, and not for equal hashes", async () => {
    // Mixed: 0, then 0x9e3779b1.
    expect(await loaded([key(0), key(1)])).toMatchObject({ info: { records: 2 } })
    expect(await loaded([key(1), key(0)])).toBeInstanceOf(Corruption)
    expect(await loaded([key(1), { ...key(1), key: "other" }])).toMatchObject({ info: { records: 2 } })
  })

  test("is refused for a table that is not defined", async () => {
    expect(await loaded([key(1)], new Catalogue())).toBeInstanceOf(Corruption)
  })

  test("is refused for tables out of order, and for records of no table", async () => {
    const two = (tableId: number): RecordPlan => ({ tableId, key: "k", valueSize: 4, lsn: 1 })
    const catalogue = new Catalogue()
    catalogue.define(1, "one")
    catalogue.define(2, "two")
    await expect(loadedOrRefused([two(2), two(1)], catalogue)).resolves.toBeInstanceOf(Corruption)
    const from = await written([two(1)])
    const starts = blockStarts(from.bytes)
    const at = starts[2] as number
    const bytes = from.bytes.slice()
    const place = { checkpoint: 1, checksumSeed: from.directory.checksumSeed, checksum: from.directory.checksum }
    const payloadSize = (starts[3] as number) - at - BLOCK_HEADER_SIZE
    const header = { kind: BLOCK_RECORDS, payloadSize, index: 2, tableId: 0, recordCount: 1, throughLsn: 1000 }
    sealBlock(bytes, at, { ...header, tableId: 1 }, place)
    expect(bytes).toEqual(from.bytes)
    sealBlock(bytes, at, header, place)
    expect((await readBytes(from, bytes)).error).toBeInstanceOf(Corruption)
    sealBlock(bytes, at, { ...header, tableId: 1, recordCount: 2 }, place)
    expect((await readBytes(from, bytes)).error).toBeInstanceOf(Error)
  })

  test("is refused for an end that counts other records than there are", async () => {
    const from = await written(SMALL)
    const starts = blockStarts(from.bytes)
    const index = starts.length - 2
    const at = starts[index] as number
    const place = { checkpoint: 1, checksumSeed: from.directory.checksumSeed, checksum: from.directory.checksum }
    const header = { kind: BLOCK_END, payloadSize: 8, index, tableId: 0, recordCount: 0, throughLsn: 1000 }
    const withCount = (count: number): Uint8Array => {
      const bytes = from.bytes.slice()
      writeU64(bytes, at + BLOCK_HEADER_SIZE, count)
      sealBlock(bytes, at, header, place)
      return bytes
    }
    expect(withCount(SMALL.length)).toEqual(from.bytes)
    for (const count of [0, SMALL.length - 1, SMALL.length + 1]) {
      expect((await readBytes(from, withCount(count))).error).toBeInstanceOf(Corruption)
    }
  })

  // Here already the writer's own reading back refuses it.
  async function loadedOrRefused(plans: readonly RecordPlan[], catalogue: Catalogue): Promise<unknown> {
    return loaded(plans, catalogue).catch((error: unknown) => error)
  }
})

describe("writing a checkpoint", () => {
  test("gives it its name only when it is whole, synced and read back", async () => {
    const { directory } = await written()
    const names = directory.fileSystem.operations
      .filter(({ path }) => path.includes("checkpoint") || path === PATH)
      .map(({ name, path }) => `${name} ${path.split("/").at(-1)}`)
    const inTheEnd = names.slice(names.indexOf(`dataSync ${CHECKPOINT_NEW_FILE}`))
    expect(inTheEnd[0]).toBe(`dataSync ${CHECKPOINT_NEW_FILE}`)
    expect(inTheEnd).toContain(`read ${CHECKPOINT_NEW_FILE}`)
    expect(inTheEnd.slice(-2)).toEqual([`rename ${CHECKPOINT_NEW_FILE}`, "syncDirectory data"])
    expect([...directory.fileSystem.crash("nothing").files().keys()]).toEqual([FILE])
  })

  test("fails with a typed error whichever operation fails, names nothing that is not whole, and works the next time", async () => {
    const clean = await written()
    const count = clean.directory.fileSystem.operations.length
    let failures = 0
    for (let operation = 3; operation <= count; operation++) {
      for (const when of ["before", "after-part"] as const) {
        const directory = await directoryOn()
        directory.fileSystem.faults.add({ operation, error: "EIO", when })
        const error = await writeCheckpoint(directory, SMALL).catch((reason: unknown) => reason)
        if (directory.fileSystem.faults.hitCount === 0) continue
        failures++
        const tell = `operation ${operation}, ${when}`
        // What cleans up may fail; nobody is told.
        if (error instanceof Error) expect(error, tell).toBeInstanceOf(StorageFailed)
        expect(directory.fileSystem.openFileCount, tell).toBe(0)
        for (const number of await listCheckpoints(directory))
          expect((await readCheckpoint(directory, number)).records, tell).toEqual(clean.records)
        await writeCheckpoint(directory, SMALL, { number: 2 })
        expect((await readCheckpoint(directory, 2)).records, tell).toEqual(clean.records)
        expect([...directory.fileSystem.files().keys()], tell).not.toContain(`${PATH}/${CHECKPOINT_NEW_FILE}`)
      }
    }
    expect(failures).toBeGreaterThan(20)
  })

  test("does not name what does not read back", async () => {
    class RottingDisk extends SimulatedDisk {
      override open(path: string, mode: FileMode): ReturnType<SimulatedDisk["open"]> {
        if (mode === "read") this.flipBit(path, 200, 3)
        return super.open(path, mode)
      }
    }
    const directory = await directoryOn(new RottingDisk())
    await expect(writeCheckpoint(directory, SMALL)).rejects.toThrow(Corruption)
    expect([...directory.fileSystem.files().keys()]).toEqual([])
  })

  test("works on a disk that takes and gives less than it was asked for", async () => {
    const faults = [{ operation: 1, through: Infinity, quirk: "short", only: ["read", "write"] } as const]
    const directory = await directoryOn(new SimulatedDisk({ seed: 5, faults }))
    const plans = [...SMALL, { tableId: 2, key: "large", valueSize: 300_000, lsn: 9 }]
    const records = await writeCheckpoint(directory, plans)
    expect((await readCheckpoint(directory)).records).toEqual(records)
    expect(directory.fileSystem.faults.hitCount).toBeGreaterThan(20)
  })

  test("removes what an attempt before has left, and leaves nothing when it is given up", async () => {
    const directory = await directoryOn()
    const { fileSystem } = directory
    const left = await fileSystem.open(`${PATH}/${CHECKPOINT_NEW_FILE}`, "create")
    await left.write(new Uint8Array(100_000).fill(1), 0)
    await left.close()
    await expect(CheckpointReader.open(directory, 1)).rejects.toThrow(StorageFailed)
    expect(await listCheckpoints(directory)).toEqual([])
    const records = await writeCheckpoint(directory, SMALL)
    expect((await readCheckpoint(directory)).records).toEqual(records)
    const writer = await CheckpointWriter.create(directory, 2, 5, 0)
    expect(fileSystem.files().has(`${PATH}/${CHECKPOINT_NEW_FILE}`)).toBe(true)
    await writer.abandon()
    expect([...fileSystem.files().keys()]).toEqual([FILE])
    await removeUnfinished(directory)
    expect(await removeCheckpoint(directory, 1)).toBeGreaterThan(0)
    expect(await removeCheckpoint(directory, 1)).toBe(0)
    expect([...fileSystem.files().keys()]).toEqual([])
  })
})
