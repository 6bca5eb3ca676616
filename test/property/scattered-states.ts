// Crash states of a moment at which the end of the log is on its way to the disk: what is there of it lies in sectors, and
// each of them that is not synced has a fate of its own, kept, lost, zeros, garbage or half. For n of them that is 5 to the
// power of n states, of which crash-candidates.ts tries the telling ones; here they are drawn at random.
//
// The states of a moment differ in one file alone, so a state is that file's bytes and a fingerprint, brought up to date by
// the sectors that differ from the state before; `tree` makes the whole disk of it. The fingerprint is that of the tree.
// What else is pending at the moment, names and other files, is kept or lost as the backdrop says.

import { meaningOf } from "../../src/format/file-names.ts"
import { applyChange } from "../../src/simulation/disk-changes.ts"
import type { DataChange, PendingUnit } from "../../src/simulation/disk-changes.ts"
import { DiskTree } from "../../src/simulation/disk-tree.ts"
import type { FileContent } from "../../src/simulation/file-content.ts"
import { keyOf, mix, nameFingerprint, SECTOR_SIZE, sectorFingerprint } from "../../src/simulation/fingerprint.ts"
import type { SimulatedRandom } from "../../src/simulation/simulated-random.ts"

/** The segment that has unsynced bytes, and where it stands. */
export interface LogTail {
  readonly segment: number
  readonly node: number
  readonly path: string
  readonly units: readonly DataChange[]
  readonly others: readonly PendingUnit[]
}

const DIRECTORY = "data"
const FATES = ["lost", "kept", "zeros", "garbage", "half"] as const
const LOST = 0
const KEPT = 1
/** Of what is not kept, more is lost than torn. */
const DAMAGES = [LOST, LOST, LOST, 2, 3, 4] as const
const GARBAGE = 0xa5

/** The one segment of which bytes are pending; undefined where there is none, or more than that can be said of it. */
export function tailOf(medium: DiskTree, pending: readonly PendingUnit[]): LogTail | undefined {
  const directory = medium.lookup(`/${DIRECTORY}`, "stat")
  const entries = directory === undefined ? undefined : medium.directory(directory)?.entries
  if (entries === undefined) return undefined
  let tail: { readonly segment: number; readonly node: number; readonly path: string } | undefined
  for (const [name, node] of entries) {
    const meaning = meaningOf(name)
    if (meaning?.kind !== "segment") continue
    if (!pending.some(({ change }) => change.kind === "data" && change.file === node)) continue
    if (tail !== undefined) return undefined
    tail = { segment: meaning.segment, node, path: `/${DIRECTORY}/${name}` }
  }
  if (tail === undefined) return undefined
  const { node } = tail
  const units: DataChange[] = []
  const others: PendingUnit[] = []
  const size = medium.file(node)?.size ?? 0
  for (const unit of pending) {
    const { change } = unit
    if (change.kind === "data" && change.file === node) {
      if (change.position + change.bytes.length > size) return undefined
      units.push(change)
    } else if (change.kind === "size" && change.file === node) return undefined
    else others.push(unit)
  }
  // Under two names it would count twice.
  for (const { change } of others)
    if (change.kind !== "data" && change.kind !== "size" && change.node === node) return undefined
  return { ...tail, units, others }
}

/** What is on the disk beside the tail: the medium, with those of the other pending units that `keeps` says. */
export function backdropOf(
  medium: DiskTree,
  others: readonly PendingUnit[],
  keeps: (index: number) => boolean,
): DiskTree {
  const tree = new DiskTree(medium)
  const files = new Set<number>()
  for (const [index, { change }] of others.entries()) {
    if (!keeps(index)) continue
    applyChange(tree, change)
    if (change.kind === "data" || change.kind === "size") files.add(change.file)
  }
  for (const file of files) if (tree.file(file)?.overhangs === true) tree.changeFile(file).clip()
  return tree
}

interface SectorImage {
  readonly bytes: Uint8Array
  readonly first: number
  readonly second: number
}

interface Sector {
  /** Its number in the file. */
  readonly place: number
  /** Indexes of the units that write to it, oldest first. */
  readonly units: number[]
  readonly images: Map<number, SectorImage>
  /** What it looks like with nothing kept, and in the state that was drawn last. */
  lost: SectorImage
  current: SectorImage
}

/** Draws states of one moment before one backdrop. One at a time: what it says is of the state drawn last. */
export class ScatteredStates {
  // Constant after construction.
  readonly path: string
  readonly segment: number
  /** Where the first unsynced byte lies, rounded down to a sector. */
  readonly start: number
  readonly #tail: LogTail
  readonly #backdrop: DiskTree
  readonly #place: number
  readonly #file: FileContent
  readonly #sectors: readonly Sector[]
  /** Of the backdrop without the tail, and of the tail with nothing kept. */
  readonly #treeSums: readonly [number, number]
  readonly #fileSums: readonly [number, number]

  // Changed by draw().
  readonly #fates: Uint8Array
  /** The tail as it is in the state, and zeros up to the next sector. */
  readonly bytes: Uint8Array
  readonly words: Uint32Array
  fingerprint = 0

  constructor(tail: LogTail, backdrop: DiskTree) {
    this.path = tail.path
    this.segment = tail.segment
    this.#tail = tail
    this.#backdrop = backdrop
    this.#file = backdrop.file(tail.node) as FileContent
    this.#place = tail.path.slice(1).split("/").reduce(nameFingerprint, 0)
    this.#fates = new Uint8Array(tail.units.length)
    this.bytes = new Uint8Array(Math.ceil(this.#file.size / SECTOR_SIZE) * SECTOR_SIZE)
    this.words = new Uint32Array(this.bytes.buffer)
    this.#file.read(this.bytes, 0)
    this.#sectors = this.#findSectors()
    this.start = Math.min(...this.#sectors.map(({ place }) => place)) * SECTOR_SIZE
    const [first, second] = this.#file.fingerprint()
    this.#fileSums = [first, second]
    const [treeFirst, treeSecond] = backdrop.fingerprints()
    this.#treeSums = [(treeFirst - mix(this.#place, first)) | 0, (treeSecond - mix(second, this.#place)) | 0]
  }

  /** Of the file, whatever of it is kept. */
  get size(): number {
    return this.#file.size
  }

  /** Draws one more. Returns its fingerprint. */
  draw(random: SimulatedRandom): number {
    drawFates(this.#fates, random)
    let [first, second] = this.#fileSums
    for (const sector of this.#sectors) {
      const image = this.#imageOf(sector)
      if (image !== sector.current) {
        this.bytes.set(image.bytes, sector.place * SECTOR_SIZE)
        sector.current = image
      }
      first = (first + image.first - sector.lost.first) | 0
      second = (second + image.second - sector.lost.second) | 0
    }
    const [treeFirst, treeSecond] = this.#treeSums
    this.fingerprint = keyOf((treeFirst + mix(this.#place, first)) | 0, (treeSecond + mix(second, this.#place)) | 0)
    return this.fingerprint
  }

  /** The disk in this state. */
  tree(): DiskTree {
    const tree = new DiskTree(this.#backdrop)
    const file = tree.changeFile(this.#tail.node)
    for (const { place, current, lost } of this.#sectors) {
      if (current === lost) continue
      const position = place * SECTOR_SIZE
      file.write(current.bytes.subarray(0, Math.min(SECTOR_SIZE, this.size - position)), position)
    }
    return tree
  }

  describe(): string {
    return this.#tail.units
      .map(({ position, bytes }, index) => {
        const fate = FATES[this.#fates[index] as number]
        return `${fate}: bytes ${position} to ${position + bytes.length} of ${this.path}`
      })
      .join("\n")
  }

  #findSectors(): readonly Sector[] {
    const sectors = new Map<number, Sector>()
    for (const [index, { position }] of this.#tail.units.entries()) {
      const place = Math.floor(position / SECTOR_SIZE)
      const sector = sectors.get(place)
      if (sector !== undefined) {
        sector.units.push(index)
        continue
      }
      const lost = imageOf(this.bytes.slice(place * SECTOR_SIZE, (place + 1) * SECTOR_SIZE), place)
      sectors.set(place, { place, units: [index], images: new Map([[0, lost]]), lost, current: lost })
    }
    return [...sectors.values()]
  }

  #imageOf(sector: Sector): SectorImage {
    let key = 0
    for (const index of sector.units) key = key * FATES.length + (this.#fates[index] as number)
    let image = sector.images.get(key)
    if (image === undefined) {
      const bytes = sector.lost.bytes.slice()
      for (const index of sector.units) this.#applyUnit(bytes, sector.place * SECTOR_SIZE, index)
      sector.images.set(key, (image = imageOf(bytes, sector.place)))
    }
    return image
  }

  #applyUnit(bytes: Uint8Array, offset: number, index: number): void {
    const unit = this.#tail.units[index] as DataChange
    const start = unit.position - offset
    const end = start + unit.bytes.length
    switch (FATES[this.#fates[index] as number]) {
      case "kept":
        bytes.set(unit.bytes, start)
        return
      case "half":
        bytes.set(unit.bytes.subarray(0, unit.bytes.length >>> 1), start)
        return
      case "zeros":
        bytes.fill(0, start, end)
        return
      case "garbage":
        bytes.fill(GARBAGE, start, end)
        return
      case "lost":
      case undefined:
    }
  }
}

function imageOf(bytes: Uint8Array, place: number): SectorImage {
  const sums = new Int32Array(2)
  sectorFingerprint(new Uint32Array(bytes.buffer), 0, place, sums)
  return { bytes, first: sums[0] as number, second: sums[1] as number }
}

/** A few damaged or a few kept, a prefix and chance behind it, chance throughout, or one run that is damaged. */
function drawFates(fates: Uint8Array, random: SimulatedRandom): void {
  const count = fates.length
  switch (random.below(5)) {
    case 0:
      fates.fill(KEPT)
      for (let some = 1 + random.below(3); some > 0; some--) fates[random.below(count)] = random.pick(DAMAGES)
      return
    case 1:
      fates.fill(LOST)
      for (let some = 1 + random.below(3); some > 0; some--) fates[random.below(count)] = random.below(FATES.length)
      return
    case 2: {
      const prefix = random.below(count)
      fates.fill(KEPT, 0, prefix)
      drawSome(fates, prefix, count, 4, random)
      return
    }
    case 3:
      drawSome(fates, 0, count, random.pick([1, 4, 7]), random)
      return
    default: {
      fates.fill(KEPT)
      const start = random.below(count)
      drawSome(fates, start, start + 1 + random.below(count - start), 1, random)
    }
  }
}

function drawSome(fates: Uint8Array, start: number, end: number, keptInEight: number, random: SimulatedRandom): void {
  for (let index = start; index < end; index++) {
    fates[index] = random.below(8) < keptInEight ? KEPT : random.pick(DAMAGES)
  }
}
