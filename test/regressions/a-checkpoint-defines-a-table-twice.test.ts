// A defect of opening, found by writing checkpoints that contradict themselves under good checksums.
//
// Cause: the definitions of a checkpoint were taken into the catalogue unlooked at, where they met its invariants and the
// decoder of shapes; and a table name of bytes that are no UTF-8 met the limit of names that users choose. Symptom: the
// store did not open, nor could it be verified in the latter case, with an error that is no OrreryError, although the
// checkpoint before and the log held everything. Fix: definitions are checked as verify checks them, by the same code,
// and what is wrong with them is Corruption: the checkpoint is passed over.

import { expect, test } from "vitest"
import { open } from "../../src/index.ts"
import { BLOCK_DEFINITIONS } from "../../src/format/checkpoint-block.ts"
import { verifyStore } from "../../src/recovery/verify.ts"
import { simulatePlatform } from "../../src/simulation/simulated-platform.ts"
import { blocksOf, holding, recordsIn, withBlocks } from "../checkpoint/rebuilt-checkpoint.ts"
import { contentOf, differences, untilSettled } from "../property/store-history.ts"
import { checkedStore } from "../recovery/checked-store.ts"
import { contentAt, copyOfDisk, DIRECTORY } from "../recovery/reference-store.ts"

test.each([
  ["another number", (name: Buffer) => void name.writeUInt32LE(99, 12)],
  ["a name that nobody can read", (name: Buffer) => void name.fill(0xff, 16, 16 + name.readUInt16LE(8))],
])("a store opens whose newest checkpoint gives a table %s", async (_, spoil) => {
  const { files, commits } = await checkedStore({ parts: [6, 6, 2], end: "closed" })
  const blocks = blocksOf(files, 2).map((block) => {
    if (block.kind !== BLOCK_DEFINITIONS) return block
    const records = recordsIn(block)
    const again = Buffer.from(records[0] as Buffer)
    spoil(again)
    return holding(block, [...records, again])
  })
  const disk = await copyOfDisk(withBlocks(files, 2, blocks))
  const platform = simulatePlatform({ seed: 1, disk })
  expect(await verifyStore(platform, DIRECTORY)).toMatchObject({ verdict: "damaged", checkpoints: 1 })
  const store = await untilSettled(platform, open(DIRECTORY, { platform, shards: 2 }))
  expect(store.recovery).toMatchObject({ checkpoint: 1, warnings: [expect.stringContaining("checkpoint-0000000002")] })
  expect(differences(contentOf(store), contentAt(commits))).toEqual([])
  await untilSettled(platform, store.close())
})
