// Recovers the scattered states of one moment before one backdrop (scattered-states.ts). They differ in the tail of the log
// alone, so each is scanned by `scanLog` from the tail on, as if the log began there, which the engine knows of logs whose
// beginning was let go. Whatever that comes to, the end and the bytes up to it decide what recovery makes of the whole disk:
// one state of each is recovered by StateRecoveries, from its first segment on.
//
// crash-exploration.ts recovers shares of the states by `recoverDisk` and by `open`, which spare nothing.

import type { FileHandle, FileMode } from "../../src/platform/file-system.ts"
import { scanLog } from "../../src/recovery/scan-log.ts"
import type { ScanResult } from "../../src/recovery/scan-log.ts"
import type { RecoveryStart } from "../../src/recovery/select-checkpoint.ts"
import type { DiskTree } from "../../src/simulation/disk-tree.ts"
import { systemError } from "../../src/simulation/system-error.ts"
import type { LogDirectory } from "../../src/wal/log-directory.ts"
import type { ScatteredStates } from "./scattered-states.ts"
import { StateDisk } from "./state-disk.ts"
import type { Recovered, StateRecoveries } from "./state-recoveries.ts"

export class ScatteredRecoveries {
  readonly #states: ScatteredStates
  readonly #recoveries: StateRecoveries
  readonly #directory: LogDirectory
  readonly #start: RecoveryStart
  /** The log as if it ended with the tail; undefined where what lies behind counts. */
  readonly #alone: RecoveryStart | undefined
  readonly #outcomes = new Map<string, Recovered>()

  private constructor(
    states: ScatteredStates,
    recoveries: StateRecoveries,
    directory: LogDirectory,
    start: RecoveryStart,
    endsHere: boolean,
  ) {
    this.#states = states
    this.#recoveries = recoveries
    this.#directory = directory
    this.#start = start
    this.#alone = endsHere ? { ...start, segments: [states.segment] } : undefined
  }

  /** Undefined where the scan of the log does not come as far as the tail. */
  static async before(
    backdrop: DiskTree,
    states: ScatteredStates,
    recoveries: StateRecoveries,
  ): Promise<ScatteredRecoveries | undefined> {
    const { owned, found } = await recoveries.scan(backdrop)
    if (!owned.foundStore) return undefined
    const { segment } = states
    const { extents, tail, nextSegment } = found.scan
    const index = found.start.segments.indexOf(segment)
    const hasFrames = extents.some((extent) => extent.segment === segment)
    if (index < 0 || (index > 0 && !hasFrames && (nextSegment !== segment || tail !== undefined))) return undefined
    const before = extents.filter((extent) => extent.segment < segment).at(-1)
    const segments: [number, ...number[]] = [segment, ...found.start.segments.slice(index + 1)]
    const firstLsn = before === undefined ? found.start.firstLsn : before.lastLsn + 1
    const directory = { ...owned.log, fileSystem: new TailDisk(backdrop, states) }
    // The log of the backdrop ends in the tail, so the scan has found no frame behind it.
    const endsHere = hasFrames ? tail?.segment === segment : nextSegment === segment
    return new ScatteredRecoveries(states, recoveries, directory, { ...found.start, segments, firstLsn }, endsHere)
  }

  /** What recovery makes of the state drawn last. Fails with: Corruption, which no crash may come to. */
  async recover(): Promise<Recovered> {
    let scan = await scanLog(this.#directory, this.#alone ?? this.#start, [], undefined, nothing)
    // Behind a seal the log goes on.
    const isSealed = scan.nextSegment > this.#states.segment && scan.tail === undefined
    if (isSealed && this.#alone !== undefined)
      scan = await scanLog(this.#directory, this.#start, [], undefined, nothing)
    const key = this.#keyOf(scan)
    let outcome = this.#outcomes.get(key)
    if (outcome === undefined) {
      outcome = await this.#recoveries.recover(this.#states.tree(), false)
      this.#outcomes.set(key, outcome)
    }
    return outcome
  }

  /** All that what comes behind the scan acts on: what was found, and the bytes up to the end that may differ. */
  #keyOf({ extents, tail, unproven, nextSegment, lastLsn, epoch, checksum }: ScanResult): string {
    const { words, start, segment } = this.#states
    const own = extents.find((extent) => extent.segment === segment)
    const endOffset = own?.endOffset ?? 0
    let first = 0
    let second = 0
    for (let index = start >>> 2; index < endOffset >>> 2; index++) {
      const word = words[index] as number
      first = Math.imul((first << 13) ^ (first >>> 19) ^ word, 0x85ebca6b)
      second = Math.imul((second + word) | 0, 0xc2b2ae35)
      second ^= second >>> 15
    }
    const end = tail === undefined ? `s${unproven?.start}` : `t${tail.offset} ${tail.frameCount}`
    return `${extents.length} ${end} ${nextSegment} ${lastLsn} ${epoch} ${checksum} ${endOffset} ${first} ${second}`
  }
}

const nothing = (): void => undefined

/** The backdrop, with the tail as it is in the state drawn last. For reading. */
class TailDisk extends StateDisk {
  readonly #states: ScatteredStates
  readonly #handle: FileHandle

  constructor(backdrop: DiskTree, states: ScatteredStates) {
    super(backdrop)
    this.#states = states
    this.#handle = new TailFile(states)
  }

  override open(path: string, mode: FileMode): Promise<FileHandle> {
    if (mode !== "read") return Promise.reject(systemError("EROFS", "open", path))
    return path === this.#states.path ? Promise.resolve(this.#handle) : super.open(path, mode)
  }
}

class TailFile implements FileHandle {
  readonly #states: ScatteredStates

  constructor(states: ScatteredStates) {
    this.#states = states
  }

  async read(target: Uint8Array, position: number): Promise<number> {
    const { bytes, size } = this.#states
    const end = Math.min(size, position + target.length)
    if (end <= position) return 0
    target.set(bytes.subarray(position, end))
    return end - position
  }

  async size(): Promise<number> {
    return this.#states.size
  }

  async close(): Promise<void> {}

  write(): Promise<number> {
    return refused("write")
  }

  writeSynced(): Promise<number> {
    return refused("write")
  }

  dataSync(): Promise<void> {
    return refused("fdatasync")
  }

  truncate(): Promise<void> {
    return refused("ftruncate")
  }
}

function refused(syscall: string): Promise<never> {
  return Promise.reject(systemError("EBADF", syscall, ""))
}
