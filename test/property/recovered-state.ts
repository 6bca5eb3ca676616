// Recovers a simulated disk with the phases of recovery alone, without the actors around them: fast enough for hundreds
// of thousands of crash states. What it finds is what `open` would find, because `open` runs the same phases.

import { stateTarget } from "../../src/checkpoint/state-loader.ts"
import { Fold } from "../../src/checkpoint/fold.ts"
import type { LogFrame } from "../../src/format/log-frame.ts"
import { ValueDecoder } from "../../src/format/value-decoder.ts"
import { countTransactions } from "../../src/recovery/count-transactions.ts"
import type { Platform } from "../../src/platform/platform.ts"
import { recover } from "../../src/recovery/recover.ts"
import type { RecoveryInput } from "../../src/recovery/recover.ts"
import type { RecoveryReport } from "../../src/recovery/report.ts"
import { ROOT } from "../../src/simulation/disk-tree.ts"
import type { DiskTree } from "../../src/simulation/disk-tree.ts"
import type { FileContent } from "../../src/simulation/file-content.ts"
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
    countTransactions: () => countTransactions(catalogue, shards),
  }))
  return { content: contentOfShards(catalogue, shards), report }
}

/**
 * Recovers crash states of one history, sparing what comes to the same.
 *
 * What recovery does follows from what it sees: the names, the sizes that it asks for and the bytes of the files that it
 * opens. So where a state agrees in all of that with one that was recovered, it is recovered to the same, whatever lies in
 * files that recovery does not look into. And what is replayed is folded into tables only where nothing before was
 * recovered to the same bytes.
 */
export class StateRecoveries {
  readonly #contents = new Map<string, Model>()
  /** By the names that are there: for the same ones recovery looks at the same files, or stops early. */
  readonly #views = new Map<string, View[]>()
  /** States that recovery ran on; of these, the ones whose log was folded. */
  runCount = 0
  foldCount = 0

  async recover(tree: DiskTree, beginsEpoch: boolean): Promise<RecoveredState> {
    const names = `${beginsEpoch} ${namesOf(tree)}`
    const views = this.#views.get(names) ?? []
    this.#views.set(names, views)
    for (const view of views) {
      const known = view.recovered.get(keyOf(tree, view))
      if (known !== undefined) return known
    }
    this.runCount++
    const disk = new StateDisk(tree)
    const recovered = await this.#run(tree, disk, beginsEpoch)
    const files = [...disk.opened]
    const sizes = [...disk.measured].filter((path) => !disk.opened.has(path))
    const id = `${files.toSorted().join()} ${sizes.toSorted().join()}`
    let view = views.find((other) => other.id === id)
    if (view === undefined) views.push((view = { id, files, sizes, recovered: new Map() }))
    view.recovered.set(keyOf(tree, view), recovered)
    return recovered
  }

  async #run(tree: DiskTree, disk: StateDisk, beginsEpoch: boolean): Promise<RecoveredState> {
    const bytes = new ByteSum()
    // Nothing may be loaded but from the log: what a checkpoint holds is not among the bytes that are added up.
    const platform = { ...checkedPlatform, fileSystem: disk }
    const report = await recoverWith(platform, beginsEpoch, "/data", () => ({ state: undefined, fold: bytes }))
    const known = this.#contents.get(bytes.key)
    if (known !== undefined) return { content: known, report }
    this.foldCount++
    const again = { ...checkedPlatform, fileSystem: new StateDisk(tree) }
    const recovered = await recoverPlatform(again, beginsEpoch, "/data", 1)
    if (recovered.report.checkpoint !== undefined) throw new Error("such a history makes no checkpoints")
    this.#contents.set(bytes.key, recovered.content)
    return recovered
  }
}

/** What a recovery looked at, beside the names, and what it came to, by what it saw there. */
interface View {
  readonly id: string
  readonly files: readonly string[]
  readonly sizes: readonly string[]
  readonly recovered: Map<string, RecoveredState>
}

/** Every name on the disk, and whether it is a file's. */
function namesOf(tree: DiskTree, directory: number = ROOT): string {
  let names = ""
  for (const [name, node] of [...(tree.directory(directory)?.entries ?? [])].sort(([one], [other]) =>
    one < other ? -1 : 1,
  ))
    names += tree.file(node) === undefined ? `${name}(${namesOf(tree, node)})` : `${name} `
  return names
}

function keyOf(tree: DiskTree, { files, sizes }: View): string {
  let key = ""
  for (const path of files) {
    // Missing here, where the recovery itself made it.
    const sums = fileAt(tree, path)?.fingerprint()
    key += sums === undefined ? ",none" : `,${sums[0]} ${sums[1]}`
  }
  for (const path of sizes) key += `,${fileAt(tree, path)?.size ?? "none"}`
  return key
}

function fileAt(tree: DiskTree, path: string): FileContent | undefined {
  const node = tree.lookup(path, "stat")
  return node === undefined ? undefined : tree.file(node)
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
  targets: (log: LogDirectory) => Pick<RecoveryInput, "state" | "fold" | "countTransactions">,
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
