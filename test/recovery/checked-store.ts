// Stores for the tests of verify and salvage: with checkpoints, with a log that begins late, closed or killed; and what
// must come out of what is left of one, by the commits that were made.

import { open } from "../../src/index.ts"
import type { OpenOptions } from "../../src/index.ts"
import type { LostRange } from "../../src/recovery/salvage.ts"
import type { SimulatedDisk } from "../../src/simulation/simulated-disk.ts"
import { simulatePlatform } from "../../src/simulation/simulated-platform.ts"
import { contentOf, SHARDS, untilSettled } from "../property/store-history.ts"
import type { Entry, Model } from "../property/store-history.ts"
import { contentAt, DIRECTORY } from "./reference-store.ts"
import type { ReferenceCommit } from "./reference-store.ts"

export type Files = ReadonlyMap<string, Uint8Array>

export interface CheckedStoreOptions {
  /** Commits in front of each checkpoint; those of the last part have none behind them. */
  readonly parts: readonly number[]
  readonly end: "closed" | "killed"
  readonly seed?: number
  readonly keep?: number
  readonly padSize?: number
}

export interface CheckedStore {
  readonly files: Files
  readonly commits: readonly ReferenceCommit[]
}

/** Synced commits one after the other, each in a frame of its own, and a checkpoint between two parts. */
export async function checkedStore(options: CheckedStoreOptions): Promise<CheckedStore> {
  const { parts, end, seed = 1, keep = 3, padSize = 60 } = options
  const platform = simulatePlatform({ seed })
  const settings: OpenOptions = { platform, shards: SHARDS, segmentBytes: 4096, checkpoint: false }
  const store = await open(DIRECTORY, { ...settings, keep: { checkpoints: keep } })
  const commits: ReferenceCommit[] = []
  let n = 0
  for (const [index, count] of parts.entries()) {
    if (index > 0) await untilSettled(platform, store.checkpoint())
    for (let made = 0; made < count; made++) {
      n++
      const table = `t${n % 2}`
      const key = `key ${n % 7}`
      const isDelete = n % 5 === 0
      const handle = store.table<Entry>(table)
      const value = { n, pad: String(n).padStart(padSize, "p") }
      const { lsn } = await untilSettled(platform, isDelete ? handle.delete(key) : handle.put(key, value))
      commits.push({ lsn, place: `${table}/${key}`, n: isDelete ? undefined : n })
    }
  }
  if (end === "closed") await untilSettled(platform, store.close())
  const disk = end === "closed" ? platform.fileSystem : platform.fileSystem.crash("kill")
  return { files: disk.files(), commits }
}

/** The state behind the commits that are not lost. */
export function contentWithout(commits: readonly ReferenceCommit[], lost: readonly LostRange[]): Model {
  return contentAt(
    commits.filter(({ lsn }) => !lost.some(({ firstLsn, lastLsn }) => lsn >= firstLsn && lsn <= lastLsn)),
  )
}

/** What a store holds that is opened by everything that open is made of. */
export async function openedContent(disk: SimulatedDisk, path: string): Promise<Model> {
  const platform = simulatePlatform({ seed: 7, disk })
  const store = await open(path, { platform, shards: SHARDS, checkpoint: false })
  const content = contentOf(store)
  await untilSettled(platform, store.close())
  return content
}

/** The files below a directory of a disk. */
export function filesBelow(disk: SimulatedDisk, path: string): Map<string, Uint8Array> {
  return new Map([...disk.files()].filter(([name]) => name.startsWith(`${path}/`)))
}
