// The Merkle root in a checkpoint: where it stands, byte by byte, and that it is nowhere else.

import { describe, expect, test } from "vitest"
import { CheckpointReader } from "../../src/checkpoint/checkpoint-reader.ts"
import { CheckpointWriter } from "../../src/checkpoint/checkpoint-writer.ts"
import { BLOCK_HEADER_SIZE, BLOCK_ROOT, readBlockHeader, sealBlock } from "../../src/format/checkpoint-block.ts"
import type { BlockHeader } from "../../src/format/checkpoint-block.ts"
import { checkpointFile } from "../../src/format/file-names.ts"
import { Corruption } from "../../src/model/errors.ts"
import type { MerkleRoot } from "../../src/model/merkle.ts"
import { SimulatedDisk } from "../../src/simulation/simulated-disk.ts"
import { Catalogue } from "../../src/table/catalogue.ts"
import { CREATED_MS, directoryOn, directoryWith, PATH } from "./checkpoint-scene.ts"

const ROOT: MerkleRoot = { lsn: 1000, root: "0123456789abcdef".repeat(4), records: 2 ** 33 + 5 }
const FILE = `${PATH}/${checkpointFile(1)}`

interface Block {
  readonly header: BlockHeader
  readonly payload: Buffer
}

async function rooted(hasSegments: boolean, disk?: SimulatedDisk): Promise<Awaited<ReturnType<typeof directoryOn>>> {
  const directory = await directoryOn(disk)
  const writer = await CheckpointWriter.create(directory, 1, 1000, CREATED_MS)
  if (hasSegments) await writer.writeSealed([{ segment: 7, firstLsn: 1, lastLsn: 9, endOffset: 4096 }])
  await writer.writeRoot(ROOT)
  const catalogue = new Catalogue()
  catalogue.define(1, "t")
  await writer.writeDefinitions(catalogue)
  await writer.finish(() => undefined)
  return directory
}

async function rootIn(directory: Awaited<ReturnType<typeof directoryOn>>): Promise<MerkleRoot | undefined> {
  const reader = await CheckpointReader.open(directory, 1)
  try {
    while ((await reader.next()) !== undefined);
    return reader.root
  } finally {
    await reader.close()
  }
}

describe("the root in a checkpoint", () => {
  test.each([false, true])("is read as it was written, with a list of segments in front of it: %s", async (has) => {
    expect(await rootIn(await rooted(has))).toEqual(ROOT)
  })

  test("is 32 bytes and a count, in a block of kind 6 behind the head", async () => {
    const bytes = Buffer.from((await rooted(false)).fileSystem.files().get(FILE) ?? [])
    const at = BLOCK_HEADER_SIZE + 24
    expect(bytes.readUInt32LE(at + 8)).toBe(6)
    expect(bytes.readUInt32LE(at + 12)).toBe(40)
    expect(bytes.toString("hex", at + 64, at + 96)).toBe(ROOT.root)
    expect(bytes.readBigUInt64LE(at + 96)).toBe(2n ** 33n + 5n)
  })

  test("and the list in front of it are not written where the disk fails, and no name is given", async () => {
    const clean = (await rooted(true)).fileSystem.operations.filter(({ name }) => name === "write")
    expect(clean.length).toBeGreaterThan(3)
    for (const { serial } of clean) {
      const disk = new SimulatedDisk({ faults: [{ operation: serial, error: "EIO" }] })
      await expect(rooted(true, disk)).rejects.toMatchObject({ _tag: "StorageFailed", systemCode: "EIO" })
      expect(disk.files().has(FILE)).toBe(false)
    }
  })

  test("is refused twice, behind the definitions, and of another size", async () => {
    const directory = await rooted(false)
    const { checksum, checksumSeed } = directory
    const place = { checkpoint: 1, checksum, checksumSeed }
    const bytes = Buffer.from(directory.fileSystem.files().get(FILE) ?? [])
    const blocks: Block[] = []
    for (let at = 0; at < bytes.length;) {
      const header = readBlockHeader(bytes, at, place) as BlockHeader
      const end = at + BLOCK_HEADER_SIZE + header.payloadSize
      blocks.push({ header, payload: bytes.subarray(at + BLOCK_HEADER_SIZE, end) })
      at = end
    }
    expect(blocks[1]?.header.kind).toBe(BLOCK_ROOT)
    const [head, root, definitions, end] = blocks as [Block, Block, Block, Block]
    const sealed = (order: readonly Block[]): Buffer =>
      Buffer.concat(
        order.map(({ header, payload }, index) => {
          const block = Buffer.concat([Buffer.alloc(BLOCK_HEADER_SIZE), payload])
          sealBlock(block, 0, { ...header, index, payloadSize: payload.length }, place)
          return block
        }),
      )
    const rootOf = async (order: readonly Block[]): Promise<MerkleRoot | undefined> =>
      rootIn(await directoryWith(directory, new Map(directory.fileSystem.files()).set(FILE, sealed(order))))
    expect(await rootOf([head, root, definitions, end])).toEqual(ROOT)
    const short = { ...root, payload: root.payload.subarray(0, 32) }
    for (const order of [
      [head, root, root, definitions, end],
      [head, definitions, root, end],
      [head, short, definitions, end],
    ]) {
      await expect(rootOf(order)).rejects.toThrow(Corruption)
      await expect(rootOf(order)).rejects.toThrow("misplaced Merkle root")
    }
  })
})
