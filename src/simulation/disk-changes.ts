// What an operation changes on a disk, in the units that a crash keeps or loses one by one: the bytes of one sector, a
// file's size, a name. Splitting into units, applying one to a tree, tearing one, and saying in words what one is.
//
// Units of a file are independent of its names: bytes that were synced stay, whether or not a name leads to them.

import { SECTOR_SIZE } from "./fingerprint.ts"
import type { DiskTree, TreePlace } from "./disk-tree.ts"

export interface DataChange {
  readonly kind: "data"
  readonly file: number
  readonly position: number
  readonly bytes: Uint8Array
}

export interface SizeChange {
  readonly kind: "size"
  readonly file: number
  readonly size: number
  /** Whether it takes away what lies beyond, for good. */
  readonly cuts: boolean
}

/** A new name: for a new file or directory, or a further one for a file that is there. */
export interface CreateChange {
  readonly kind: "create"
  readonly place: TreePlace
  readonly node: number
  readonly of: "file" | "directory"
}

export interface UnlinkChange {
  readonly kind: "unlink"
  readonly place: TreePlace
  readonly node: number
}

/** Both names at once: the old one is there, or the new one. */
export interface RenameChange {
  readonly kind: "rename"
  readonly source: TreePlace
  readonly target: TreePlace
  readonly node: number
  readonly of: "file" | "directory"
  /** Whether the new name was that of another file, which it no longer is. */
  readonly replaces: boolean
}

export type NameChange = CreateChange | UnlinkChange | RenameChange
export type Change = DataChange | SizeChange | NameChange

/** A change on its way to the medium: kept whole, torn, or lost. */
export interface PendingUnit {
  /** The operation that made it; 0 if it is older than the trace. */
  readonly operation: number
  readonly change: Change
  /** A sync of its file has failed, and the system has forgotten that it must be written. No later sync writes it. */
  readonly isForgotten: boolean
}

/** How a sector that was being written may look after a crash. */
export type Tear = "zeros" | "garbage" | "half"
export const TEARS: readonly Tear[] = ["zeros", "garbage", "half"]

const GARBAGE = 0xa5

/** The change in the units that reach the disk one by one, in their order. */
export function* unitsOf(change: Change): Generator<Change> {
  if (change.kind !== "data") {
    yield change
    return
  }
  const end = change.position + change.bytes.length
  let at = change.position
  while (at < end) {
    const next = Math.min(end, at - (at % SECTOR_SIZE) + SECTOR_SIZE)
    yield partOf(change, at, next)
    at = next
  }
}

/** The bytes of a data change from `start` to `end`. */
export function partOf(change: DataChange, start: number, end: number): DataChange {
  const bytes = change.bytes.subarray(start - change.position, end - change.position)
  return { kind: "data", file: change.file, position: start, bytes }
}

/** Brings the change into the tree, whatever became of the changes before it. */
export function applyChange(tree: DiskTree, change: Change): void {
  switch (change.kind) {
    case "data":
      tree.changeFile(change.file).write(change.bytes, change.position)
      return
    case "size": {
      const file = tree.changeFile(change.file)
      file.resize(change.size)
      if (change.cuts) file.clip()
      return
    }
    case "create":
      ensureNode(tree, change.node, change.of)
      tree.changeDirectory(change.place.directory).entries.set(change.place.name, change.node)
      return
    case "unlink":
      removeName(tree, change.place, change.node)
      return
    case "rename":
      ensureNode(tree, change.node, change.of)
      removeName(tree, change.source, change.node)
      tree.changeDirectory(change.target.directory).entries.set(change.target.name, change.node)
  }
}

/**
 * What of the change is on the disk when the crash hits it half-way; undefined where it is atomic: names are. Of a sector
 * the new bytes may be zeros, garbage, or new in the first half only; a file may have grown by half.
 */
export function tornChange(tree: DiskTree, change: Change, tear: Tear): Change | undefined {
  if (change.kind === "data") {
    if (tear === "half") return partOf(change, change.position, change.position + (change.bytes.length >>> 1))
    return { ...change, bytes: new Uint8Array(change.bytes.length).fill(tear === "zeros" ? 0 : GARBAGE) }
  }
  if (change.kind !== "size" || change.cuts || tear !== "half") return undefined
  const before = tree.file(change.file)?.size ?? 0
  return { ...change, size: before + ((change.size - before) >>> 1) }
}

/** The file that the change belongs to; undefined for names. */
export function fileOf(change: Change): number | undefined {
  return change.kind === "data" || change.kind === "size" ? change.file : undefined
}

/** Whether the change is of a name in the directory. */
export function touchesDirectory(change: Change, directory: number): boolean {
  switch (change.kind) {
    case "create":
    case "unlink":
      return change.place.directory === directory
    case "rename":
      return change.source.directory === directory || change.target.directory === directory
    case "data":
    case "size":
      return false
  }
}

/** A few words for a report. `nameOf` knows what the numbers stand for. */
export function describeChange(change: Change, nameOf: (node: number) => string): string {
  switch (change.kind) {
    case "data":
      return `bytes ${change.position} to ${change.position + change.bytes.length} of ${nameOf(change.file)}`
    case "size":
      return `size ${change.size} of ${nameOf(change.file)}`
    case "create":
      return `create ${nameOf(change.node)} as "${change.place.name}"`
    case "unlink":
      return `unlink "${change.place.name}" (${nameOf(change.node)})`
    case "rename":
      return `rename "${change.source.name}" to "${change.target.name}" (${nameOf(change.node)})`
  }
}

function ensureNode(tree: DiskTree, node: number, of: "file" | "directory"): void {
  if (tree.node(node) !== undefined) return
  if (of === "file") tree.changeFile(node)
  else tree.changeDirectory(node)
}

/** The name may be another's by now, if the change that gave it away was kept and this one comes late. */
function removeName(tree: DiskTree, place: TreePlace, node: number): void {
  if (tree.directory(place.directory)?.entries.get(place.name) !== node) return
  tree.changeDirectory(place.directory).entries.delete(place.name)
}
