// The Merkle root of a state that was read from files: the same as the store had when it was at that commit, whatever shards
// and whatever way it was read. Works in slices, so that others get their turn.

import { MerkleFold } from "../merkle/merkle-fold.ts"
import type { MerkleRoot } from "../model/merkle.ts"
import type { Platform } from "../platform/platform.ts"
import type { Catalogue } from "../table/catalogue.ts"
import type { ShardTables } from "../table/shard-tables.ts"
import { byteOf, chunkOf } from "../table/slabs.ts"

/** Digests in a slice: some milliseconds. */
const SLICE_COUNT = 1_024

/** `requireOpen` is asked in each slice, and throws where the state has been let go. Fails with: ValueDamaged. */
export async function rootOf(
  platform: Pick<Platform, "clock" | "sha256">,
  lsn: number,
  catalogue: Catalogue,
  shards: readonly ShardTables[],
  requireOpen: () => void,
): Promise<MerkleRoot> {
  const fold = new MerkleFold(catalogue, platform.sha256, lsn)
  const turn = async (): Promise<void> => {
    const { promise, resolve } = Promise.withResolvers<void>()
    platform.clock.after(0, resolve, true)
    await promise
    requireOpen()
  }
  for (const { partitions } of shards) {
    for (const [tableId, partition] of partitions.entries()) {
      if (partition === undefined) continue
      const { slabs } = partition.table
      const cursor = partition.table.cursor()
      while (cursor.next()) {
        for (const address of cursor.addresses) {
          const bytes = slabs.chunkBytes[chunkOf(address)]
          const words = slabs.chunkWords[chunkOf(address)]
          if (bytes !== undefined && words !== undefined) fold.takeKept({ bytes, words }, byteOf(address), tableId)
        }
        await turn()
      }
    }
  }
  while (!fold.tree.settle(SLICE_COUNT)) await turn()
  return fold.root
}
