// Writes checkpoints of given records on a simulated disk, and reads them back as plain data.

import type { CheckpointDirectory } from "../../src/checkpoint/checkpoint-files.ts"
import { CheckpointReader } from "../../src/checkpoint/checkpoint-reader.ts"
import { CheckpointWriter } from "../../src/checkpoint/checkpoint-writer.ts"
import { defineAll } from "../../src/checkpoint/state-loader.ts"
import { BLOCK_DEFINITIONS } from "../../src/format/checkpoint-block.ts"
import { allocateRecordBuffer, recordSize } from "../../src/format/record.ts"
import type { RecordBuffer } from "../../src/format/record.ts"
import { crc32 } from "../../src/simulation/checksum.ts"
import { SimulatedDisk } from "../../src/simulation/simulated-disk.ts"
import { Catalogue } from "../../src/table/catalogue.ts"
import { mixHash } from "../../src/table/index-segment.ts"
import { evenHash } from "../table/record-batch.ts"

export const PATH = "/data"
export const CREATED_MS = 1_767_225_600_123

export interface PlainRecord {
  readonly tableId: number
  readonly hash: number
  readonly key: string
  /** The value's bytes, in hexadecimal; long ones by their size and checksum. */
  readonly value: string
  readonly lsn: number
}

export interface RecordPlan {
  readonly tableId: number
  readonly key: string
  readonly valueSize: number
  readonly lsn: number
  /** Default: spread evenly by the key. */
  readonly hash?: number
}

export interface PlainCheckpoint {
  readonly tables: readonly string[]
  readonly shapes: readonly (readonly string[])[]
  readonly records: readonly PlainRecord[]
  readonly blockCount: number
}

export async function directoryOn(
  disk: SimulatedDisk = new SimulatedDisk(),
  store = 1,
): Promise<CheckpointDirectory & { readonly fileSystem: SimulatedDisk }> {
  await disk.makeDirectory(PATH)
  const storeId = Uint8Array.from({ length: 16 }, (_, at) => at + store)
  return { fileSystem: disk, checksum: crc32, path: PATH, storeId, checksumSeed: 0x1234567 }
}

/** The same directory on a disk with these files. */
export async function directoryWith(
  directory: CheckpointDirectory,
  files: ReadonlyMap<string, Uint8Array>,
): Promise<CheckpointDirectory & { readonly fileSystem: SimulatedDisk }> {
  const disk = new SimulatedDisk({ keepsTrace: false })
  await disk.makeDirectory(PATH)
  for (const [path, bytes] of files) {
    const file = await disk.open(path, "create")
    if (bytes.length > 0) await file.write(bytes, 0)
    await file.close()
  }
  return { ...directory, fileSystem: disk }
}

export function recordOf({ tableId, key, valueSize, lsn, hash }: RecordPlan): { buffer: RecordBuffer } & PlainRecord {
  const keyBytes = Buffer.from(key)
  const buffer = allocateRecordBuffer(recordSize(keyBytes.length, valueSize))
  const { bytes } = buffer
  const hashOrEven = hash ?? evenHash(keyBytes)
  bytes.writeUInt32LE(hashOrEven, 0)
  bytes.writeUInt32LE(valueSize, 4)
  bytes.writeUInt16LE(keyBytes.length, 8)
  bytes.writeUInt16LE(Math.floor(lsn / 2 ** 32), 10)
  bytes.writeUInt32LE(lsn >>> 0, 12)
  bytes.set(keyBytes, 16)
  const start = 16 + keyBytes.length
  for (let at = 0; at < valueSize; at++) bytes[start + at] = (at * 7 + lsn * 31) & 0xff
  return { buffer, tableId, hash: hashOrEven, key, value: valueText(bytes, start, start + valueSize), lsn }
}

/** In the order that a checkpoint has them in. */
export function inOrder<R extends { readonly tableId: number; readonly hash: number }>(records: readonly R[]): R[] {
  return records.toSorted((a, b) => a.tableId - b.tableId || mixHash(a.hash) - mixHash(b.hash))
}

/** Tables that records name are called "table 1" and so on. */
export function catalogueFor(plans: readonly RecordPlan[]): Catalogue {
  const catalogue = new Catalogue()
  const count = plans.reduce((most, { tableId }) => Math.max(most, tableId), 0)
  for (let id = 1; id <= count; id++) catalogue.define(id, `table ${id}`)
  return catalogue
}

/** Writes a checkpoint of these records, in their order unless `sorted` is false. */
export async function writeCheckpoint(
  directory: CheckpointDirectory,
  plans: readonly RecordPlan[],
  options: { number?: number; throughLsn?: number; sorted?: boolean; catalogue?: Catalogue } = {},
): Promise<PlainRecord[]> {
  const { number = 1, throughLsn = 1000, sorted = true, catalogue = catalogueFor(plans) } = options
  const made = plans.map(recordOf)
  const records = sorted ? inOrder(made) : made
  const writer = await CheckpointWriter.create(directory, number, throughLsn, CREATED_MS)
  try {
    await writer.writeDefinitions(catalogue)
    let tableId = 0
    for (const { buffer, tableId: id } of records) {
      if (id !== tableId) await writer.beginTable(id)
      tableId = id
      const { words } = buffer
      if (!writer.hasRoom(words.length)) await writer.flush()
      writer.add(words, 0, words.length)
    }
    await writer.finish(() => undefined)
  } catch (error) {
    await writer.abandon()
    throw error
  }
  return records.map(({ tableId, hash, key, value, lsn }) => ({ tableId, hash, key, value, lsn }))
}

/** Everything in a checkpoint. `onRecord` sees what was read before an error, too. */
export async function readCheckpoint(
  directory: CheckpointDirectory,
  number = 1,
  onRecord: (record: PlainRecord) => void = () => undefined,
): Promise<PlainCheckpoint> {
  const reader = await CheckpointReader.open(directory, number)
  try {
    const catalogue = new Catalogue()
    const records: PlainRecord[] = []
    let blockCount = 0
    for (let block = await reader.next(); block !== undefined; block = await reader.next()) {
      blockCount++
      if (block.kind === BLOCK_DEFINITIONS) {
        defineAll(block, catalogue, reader)
        continue
      }
      let count = 0
      for (let at = block.start; at < block.end; count++) {
        const { bytes } = block.buffer
        const valueSize = bytes.readUInt32LE(at + 4)
        const keyEnd = at + 16 + bytes.readUInt16LE(at + 8)
        const record = {
          tableId: block.tableId,
          hash: bytes.readUInt32LE(at),
          key: bytes.toString("utf8", at + 16, keyEnd),
          value: valueText(bytes, keyEnd, keyEnd + valueSize),
          lsn: bytes.readUInt16LE(at + 10) * 2 ** 32 + bytes.readUInt32LE(at + 12),
        }
        records.push(record)
        onRecord(record)
        at += recordSize(keyEnd - at - 16, valueSize)
      }
      if (count !== block.recordCount) throw new Error(`${count} records, the block says ${block.recordCount}`)
    }
    const shapes = Array.from({ length: catalogue.shapes.count }, (_, id) => catalogue.shapes.fieldsOf(id) ?? [])
    return { tables: catalogue.names(), shapes, records, blockCount }
  } finally {
    await reader.close()
  }
}

function valueText(bytes: Buffer, start: number, end: number): string {
  if (end - start <= 64) return bytes.toString("hex", start, end)
  return `${end - start} bytes, ${crc32(bytes.subarray(start, end), 0)}`
}
