// Recovers a simulated disk with the phases of recovery alone, without the actors around them: fast enough for hundreds
// of thousands of crash states. What it finds is what `open` would find, because `open` runs the same phases.

import { stateTarget } from "../../src/checkpoint/state-loader.ts"
import { Fold } from "../../src/checkpoint/fold.ts"
import { ValueDecoder } from "../../src/format/value-decoder.ts"
import { countTransactions } from "../../src/recovery/count-transactions.ts"
import type { Clock } from "../../src/platform/clock.ts"
import { recover } from "../../src/recovery/recover.ts"
import type { LoadedState } from "../../src/recovery/load-checkpoint.ts"
import { replayLog } from "../../src/recovery/replay-log.ts"
import type { RecoveryReport } from "../../src/recovery/report.ts"
import type { SimulatedDisk } from "../../src/simulation/simulated-disk.ts"
import { simulatePlatform } from "../../src/simulation/simulated-platform.ts"
import { takeDirectory } from "../../src/store/store-directory.ts"
import { Catalogue } from "../../src/table/catalogue.ts"
import { ShardTables } from "../../src/table/shard-tables.ts"
import { FileLog } from "../../src/wal/file-log.ts"
import type { LogDirectory, LogEnd } from "../../src/wal/log-directory.ts"
import { SHARDS } from "./store-history.ts"
import type { Entry, Model } from "./store-history.ts"

export interface RecoveredState {
  readonly content: Model
  readonly report: RecoveryReport
}

/** Recovers and, where asked, begins the next epoch, as an opening store does. */
export async function recoverDisk(
  disk: SimulatedDisk,
  seed: number,
  beginsEpoch: boolean,
  path = "/data",
  shardCount: number = SHARDS,
): Promise<RecoveredState> {
  const platform = simulatePlatform({ seed, disk })
  const catalogue = new Catalogue()
  const shards = Array.from({ length: shardCount }, () => new ShardTables())
  const owned = await takeDirectory(platform, path, true, 4096)
  const { end, report } = await recover({
    directory: owned.log,
    clock: platform.clock,
    manifest: owned.manifest,
    foundStore: owned.foundStore,
    trustedLsn: undefined,
    warnings: owned.warnings,
    state: stateTarget(owned.log, catalogue, shards),
    fold: new Fold(catalogue, shards),
    countTransactions: () => countTransactions(catalogue, shards),
    onProgress: () => undefined,
  })
  if (beginsEpoch) await beginEpoch(owned.log, end, platform.clock)
  await owned.lock.release()
  return { content: contentOfShards(catalogue, shards), report }
}

/** Folds a log that was recovered, from its beginning on, into tables, and tells what is in them. */
export async function foldLog(directory: LogDirectory, end: LogEnd, loaded: LoadedState): Promise<Model> {
  const catalogue = new Catalogue()
  const shards = [new ShardTables()]
  await replayLog(directory, end, loaded, new Fold(catalogue, shards), () => undefined)
  return contentOfShards(catalogue, shards)
}

/** Begins the next epoch, as an opening store does, and closes it in order. */
export async function beginEpoch(directory: LogDirectory, end: LogEnd, clock: Clock): Promise<void> {
  const log = await FileLog.begin(directory, end, {
    clock,
    segmentSize: 4096,
    owner: "test",
    lsnMin: 1,
    saveStart: () => Promise.resolve(),
  })
  await log.close()
}

function contentOfShards(catalogue: Catalogue, shards: readonly ShardTables[]): Model {
  const decoder = new ValueDecoder(catalogue.shapes)
  const content: Model = new Map()
  for (const shard of shards) {
    shard.partitions.forEach((partition, tableId) => {
      if (partition === undefined) return
      const { table } = partition
      const cursor = table.cursor()
      while (cursor.next()) {
        cursor.keys.forEach((key, index) => {
          const address = cursor.addresses[index] as number
          const value = decoder.decode(
            table.bytesAt(address),
            table.valueStart(address),
            table.valueEnd(address),
          ) as Entry
          content.set(`${catalogue.byId(tableId)?.name}/${key}`, value.n)
        })
      }
    })
  }
  return content
}
