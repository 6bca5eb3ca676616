// Recovers crash states of one history, sparing what comes to the same.
//
// What recovery does follows from what it sees: the names, the sizes that it asks for and the bytes of the files that it
// opens. So where a state agrees in all of that with one that was recovered, it is recovered to the same, whatever lies in
// files that recovery does not look into. The same holds for its parts:
// - taking the directory, where a store is found, and the scan of its log;
// - what comes behind the scan, the repair, the replay and the next epoch: it looks at what the scan has found, and at the
//   bytes up to the end of the log. What a crash left behind that end, the scan has judged.
// Every state that differs in anything that recovery looks at is scanned. And what is replayed is folded into tables only
// where nothing before was replayed from the same bytes.
//
// crash-exploration.ts recovers shares of all states by `recoverDisk` and by `open`, which spare nothing.

import { crc32 } from "node:zlib"
import type { LogFrame } from "../../src/format/log-frame.ts"
import { meaningOf, segmentFile } from "../../src/format/file-names.ts"
import { bringUp, findEnd } from "../../src/recovery/recover.ts"
import type { FoundEnd, RecoveryInput } from "../../src/recovery/recover.ts"
import type { ScanResult } from "../../src/recovery/scan-log.ts"
import type { DirectoryContent, DiskTree } from "../../src/simulation/disk-tree.ts"
import type { FileContent } from "../../src/simulation/file-content.ts"
import { keyOf, mix } from "../../src/simulation/fingerprint.ts"
import { simulatePlatform } from "../../src/simulation/simulated-platform.ts"
import { takeDirectory } from "../../src/store/store-directory.ts"
import type { OwnedDirectory } from "../../src/store/store-directory.ts"
import { beginEpoch, foldLog } from "./recovered-state.ts"
import { StateDisk } from "./state-disk.ts"
import type { Model } from "./store-history.ts"

/** What recovery made of a content. */
export interface Recovered {
  readonly lastLsn: number
  readonly content: Model
}

const PATH = "/data"

export class StateRecoveries {
  readonly #names = new Names()
  readonly #recovered = new Outcomes<Recovered>()
  readonly #taken = new Outcomes<OwnedDirectory>()
  readonly #scanned = new Outcomes<Scanned>()
  readonly #behindScan = new Outcomes<Recovered>()
  readonly #contents = new Map<string, Model>()
  /** States that were scanned, that were brought up, and that were folded into tables besides. */
  scanCount = 0
  endCount = 0
  foldCount = 0

  async recover(tree: DiskTree, beginsEpoch: boolean): Promise<Recovered> {
    const names = this.#names.of(tree, beginsEpoch)
    const known = this.#recovered.find(names, tree)
    if (known !== undefined) return known.outcome
    const disk = new StateDisk(tree)
    const recovered = await this.#run(names, tree, disk, beginsEpoch)
    this.#recovered.note(names, tree, disk, recovered)
    return recovered
  }

  /** Takes the directory and scans its log, and changes nothing but where there is no store yet. */
  scan(tree: DiskTree): Promise<Scanned> {
    return this.#scan(tree, new StateDisk(tree))
  }

  async #run(names: string, tree: DiskTree, disk: StateDisk, beginsEpoch: boolean): Promise<Recovered> {
    const { owned, found } = await this.#scan(tree, disk)
    const kind = `${names} ${scanOf(found.scan)}${sumsOf(tree, found.scan)} ${owned.manifest.generation}`
    const known = owned.foundStore ? this.#behindScan.find(kind, tree) : undefined
    if (known !== undefined) {
      disk.look(known.view)
      return known.outcome
    }
    this.endCount++
    const behind = new StateDisk(tree, disk)
    const directory = { ...owned.log, fileSystem: behind }
    const bytes = new ByteSum()
    const { end, report } = await bringUp({ ...inputOf(owned), directory, fold: bytes }, found)
    let content = this.#contents.get(bytes.key)
    if (content === undefined) {
      this.foldCount++
      this.#contents.set(bytes.key, (content = await foldLog(directory, end, found.loaded)))
    }
    if (beginsEpoch) await beginEpoch(directory, end, checkedPlatform.clock)
    const recovered = { lastLsn: report.lastLsn, content }
    requireScanned(behind, found.scan)
    // Of the segments the key has all that counts.
    this.#behindScan.note(kind, tree, { measured: behind.measured, read: new Set() }, recovered)
    disk.look(behind)
    return recovered
  }

  /** Takes the directory and scans its log; or tells what that came to where all was the same that it looked at. */
  async #scan(tree: DiskTree, disk: StateDisk): Promise<Scanned> {
    const names = this.#names.of(tree, false)
    const known = this.#scanned.find(names, tree)
    if (known !== undefined) {
      disk.look(known.view)
      return copyOf(known.outcome)
    }
    this.scanCount++
    const owned = await this.#take(names, tree, disk)
    const found = await findEnd(inputOf(owned))
    // Making a store changes the disk.
    if (owned.foundStore) this.#scanned.note(names, tree, disk, copyOf({ owned, found }))
    return { owned, found }
  }

  async #take(names: string, tree: DiskTree, disk: StateDisk): Promise<OwnedDirectory> {
    const known = this.#taken.find(names, tree)
    if (known === undefined) {
      const owned = await takeDirectory({ ...checkedPlatform, fileSystem: disk }, PATH, true, 4096)
      if (owned.foundStore) this.#taken.note(names, tree, disk, owned)
      return owned
    }
    disk.look(known.view)
    return { ...known.outcome, log: { ...known.outcome.log, fileSystem: disk } }
  }
}

export interface Scanned {
  readonly owned: OwnedDirectory
  readonly found: FoundEnd
}

/** Bringing up takes the extents over, and changes them. */
function copyOf({ owned, found }: Scanned): Scanned {
  const extents = found.scan.extents.map((extent) => ({ ...extent, marks: [...extent.marks] }))
  return { owned, found: { ...found, scan: { ...found.scan, extents } } }
}

/** Nothing is loaded but from the log: what a checkpoint holds is not among the bytes that are looked at. */
function inputOf({ log, manifest, foundStore, warnings }: OwnedDirectory): RecoveryInput {
  return {
    directory: log,
    clock: checkedPlatform.clock,
    manifest,
    foundStore,
    trustedLsn: undefined,
    warnings,
    state: undefined,
    fold: nothing,
    onProgress: () => undefined,
  }
}

const nothing = { apply: () => undefined }

/** What a piece of work looked at, beside the names: files whose bytes it read, and sizes that it asked for. */
interface Look {
  readonly read: ReadonlySet<string>
  readonly measured: ReadonlySet<string>
}

interface View<Outcome> {
  readonly look: Look
  readonly files: readonly string[]
  readonly sizes: readonly string[]
  readonly outcomes: Map<number, Outcome>
}

/** What came of the same work on other states, by what it looked at there. */
class Outcomes<Outcome> {
  readonly #views = new Map<string, View<Outcome>[]>()

  /** `names` and all else that decides what the work looks at first. */
  find(names: string, tree: DiskTree): { readonly view: Look; readonly outcome: Outcome } | undefined {
    for (const view of this.#views.get(names) ?? []) {
      const outcome = view.outcomes.get(keyIn(tree, view))
      if (outcome !== undefined) return { view: view.look, outcome }
    }
    return undefined
  }

  note(names: string, tree: DiskTree, look: Look, outcome: Outcome): void {
    const views = this.#views.get(names) ?? []
    this.#views.set(names, views)
    const { read, measured } = look
    let view = views.find(({ look: other }) => isSame(other.read, read) && isSame(other.measured, measured))
    if (view === undefined) {
      const copy = { read: new Set(read), measured: new Set(measured) }
      const sizes = [...measured].filter((path) => !read.has(path))
      views.push((view = { look: copy, files: [...read], sizes, outcomes: new Map() }))
    }
    view.outcomes.set(keyIn(tree, view), outcome)
  }
}

function isSame(one: ReadonlySet<string>, other: ReadonlySet<string>): boolean {
  return one.size === other.size && one.isSubsetOf(other)
}

function keyIn(tree: DiskTree, { files, sizes }: View<unknown>): number {
  let first = 0
  let second = 0
  for (const path of files) {
    // Missing here, where the recovery itself made it.
    const sums = fileAt(tree, path)?.fingerprint()
    first = mix(first, sums === undefined ? 1 : sums[0])
    second = mix(second, sums === undefined ? 2 : sums[1])
  }
  for (const path of sizes) {
    const size = fileAt(tree, path)?.size ?? -1
    first = mix(first, size)
    second = mix(second, ~size)
  }
  return keyOf(first, second)
}

function fileAt(tree: DiskTree, path: string): FileContent | undefined {
  const node = tree.lookup(path, "stat")
  return node === undefined ? undefined : tree.file(node)
}

/** All of a scan that what comes behind it acts on; the rest is for the report. */
function scanOf({ extents, tail, unproven, nextSegment, lastLsn, epoch, checksum }: ScanResult): string {
  const end =
    tail === undefined ? unproven : { segment: tail.segment, offset: tail.offset, frameCount: tail.frameCount }
  return `${nextSegment} ${lastLsn} ${epoch} ${checksum} ${JSON.stringify(end)} ${JSON.stringify(extents)}`
}

/** The bytes of the log, up to its end. */
function sumsOf(tree: DiskTree, { extents }: ScanResult): string {
  let text = ""
  for (const { segment, endOffset } of extents) {
    const sums = fileAt(tree, `${PATH}/${segmentFile(segment)}`)?.fingerprintTo(endOffset)
    text += sums === undefined ? " none" : ` ${sums[0]} ${sums[1]}`
  }
  return text
}

/** What is behind the scan reads no other file of the state than those whose bytes are in the key. */
function requireScanned({ read }: StateDisk, { extents }: ScanResult): void {
  const known = new Set(extents.map(({ segment }) => `${PATH}/${segmentFile(segment)}`))
  for (const path of read) if (!known.has(path)) throw new Error(`${path} is read behind the scan`)
}

/**
 * The names on a disk that count for recovery: nothing of it looks at the audit log or at what is kept of the lock's owner,
 * and at a spare only what makes files: a store where there is none, or an epoch; beside the one that repair works in.
 */
class Names {
  /** Directories are never changed once they are part of a state. */
  readonly #known = new WeakMap<DirectoryContent, readonly [recovered: string, begun: string]>()

  of(tree: DiskTree, beginsEpoch: boolean): string {
    const node = tree.lookup(PATH, "stat")
    const directory = node === undefined ? undefined : tree.directory(node)
    if (directory === undefined) return `${beginsEpoch} ${node === undefined ? "nothing" : "no directory"}`
    let known = this.#known.get(directory)
    if (known === undefined) {
      const names = [...directory.entries.keys()].sort()
      const isStore = names.some((name) => meaningOf(name)?.kind === "manifest")
      const recovered = names.filter((name) => counts(name, !isStore)).join(" ")
      const begun = names.filter((name) => counts(name, true)).join(" ")
      this.#known.set(directory, (known = [`false ${recovered}`, `true ${begun}`]))
    }
    return known[beginsEpoch ? 1 : 0]
  }
}

function counts(name: string, makesFiles: boolean): boolean {
  const meaning = meaningOf(name)
  if (meaning?.kind === "spare") return makesFiles || meaning.number === 0
  return meaning?.kind !== "audit" && meaning?.kind !== "lock"
}

/** Shared by recoveries that take nothing from it but a standing clock and a checksum, which is Node's here: it is faster. */
const checkedPlatform = { ...simulatePlatform({ seed: 1 }), checksum: crc32 }

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
