// Recovers a simulated disk with the phases of recovery alone, without the actors around them: fast enough for hundreds
// of thousands of crash states. What it finds is what `open` would find, because `open` runs the same phases.

import { stateTarget } from "../../src/checkpoint/state-loader.ts"
import { Fold } from "../../src/checkpoint/fold.ts"
import type { LogFrame } from "../../src/format/log-frame.ts"
import { ValueDecoder } from "../../src/format/value-decoder.ts"
import type { Platform } from "../../src/platform/platform.ts"
import { recover } from "../../src/recovery/recover.ts"
import type { RecoveryInput } from "../../src/recovery/recover.ts"
import type { RecoveryReport } from "../../src/recovery/report.ts"
import type { DiskTree } from "../../src/simulation/disk-tree.ts"
import type { SimulatedDisk } from "../../src/simulation/simulated-disk.ts"
import { simulatePlatform } from "../../src/simulation/simulated-platform.ts"
import { takeDirectory } from "../../src/store/store-directory.ts"
import { Catalogue } from "../../src/table/catalogue.ts"
import { ShardTables } from "../../src/table/shard-tables.ts"
import { FileLog } from "../../src/wal/file-log.ts"
import type { LogDirectory } from "../../src/wal/log-directory.ts"
import { StateDisk } from "./state-disk.ts"
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
  return recoverPlatform(simulatePlatform({ seed, disk }), beginsEpoch, path, shardCount)
}

/** The same on any platform. */
async function recoverPlatform(
  platform: Platform,
  beginsEpoch: boolean,
  path: string,
  shardCount: number,
): Promise<RecoveredState> {
  const catalogue = new Catalogue()
  const shards = Array.from({ length: shardCount }, () => new ShardTables())
  const report = await recoverWith(platform, beginsEpoch, path, (log) => ({
    state: stateTarget(log, catalogue, shards),
    fold: new Fold(catalogue, shards),
  }))
  return { content: contentOfShards(catalogue, shards), report }
}

/**
 * Recovers crash states of one history, most of them without building tables: the phases run on every state, but what they
 * replay is folded only where no state before was recovered to the same bytes. With these it comes to the same content.
 */
export class StateRecoveries {
  readonly #contents = new Map<string, Model>()
  /** States whose log was folded. */
  foldCount = 0

  async recover(tree: DiskTree, beginsEpoch: boolean): Promise<RecoveredState> {
    const bytes = new ByteSum()
    // Nothing may be loaded but from the log: what a checkpoint holds is not among the bytes that are added up.
    const onTree = (): Platform => ({ ...checkedPlatform, fileSystem: new StateDisk(tree) })
    const report = await recoverWith(onTree(), beginsEpoch, "/data", () => ({ state: undefined, fold: bytes }))
    const known = this.#contents.get(bytes.key)
    if (known !== undefined) return { content: known, report }
    this.foldCount++
    const recovered = await recoverPlatform(onTree(), beginsEpoch, "/data", 1)
    if (recovered.report.checkpoint !== undefined) throw new Error("such a history makes no checkpoints")
    this.#contents.set(bytes.key, recovered.content)
    return recovered
  }
}

/** Shared by recoveries that take nothing from it but a standing clock and a checksum. */
const checkedPlatform = simulatePlatform({ seed: 1 })

/** Adds up the bytes of all frames, in their order, in place of folding them. */
class ByteSum {
  #first = 0
  #second = 0

  get key(): string {
    return `${this.#first} ${this.#second}`
  }

  apply({ buffer, start, end, firstLsn }: LogFrame): void {
    const { words } = buffer
    let first = Math.imul(this.#first ^ firstLsn, 0x85ebca6b)
    let second = (this.#second + end - start) | 0
    for (let index = start >>> 2; index < end >>> 2; index++) {
      const word = words[index] as number
      first = Math.imul((first << 13) ^ (first >>> 19) ^ word, 0x85ebca6b)
      second = Math.imul((second + word) | 0, 0xc2b2ae35)
      second ^= second >>> 15
    }
    this.#first = first
    this.#second = second
  }
}

/** Recovers, with what `targets` says the state is to be folded into. Begins the next epoch where asked. */
async function recoverWith(
  platform: Platform,
  beginsEpoch: boolean,
  path: string,
  targets: (log: LogDirectory) => Pick<RecoveryInput, "state" | "fold">,
): Promise<RecoveryReport> {
  const owned = await takeDirectory(platform, path, true, 4096)
  const { end, report } = await recover({
    directory: owned.log,
    clock: platform.clock,
    manifest: owned.manifest,
    foundStore: owned.foundStore,
    trustedLsn: undefined,
    warnings: owned.warnings,
    ...targets(owned.log),
    onProgress: () => undefined,
  })
  if (beginsEpoch) {
    const log = await FileLog.begin(owned.log, end, {
      clock: platform.clock,
      segmentSize: 4096,
      owner: "test",
      lsnMin: 1,
      saveStart: () => Promise.resolve(),
    })
    await log.close()
  }
  await owned.lock.release()
  return report
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
