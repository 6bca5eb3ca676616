// One state of a simulated disk: directories, files and their bytes, by number (inode) and found by path. A tree made
// from another shares everything with it and copies what it changes, so it costs no more than one small map.
//
// Knows nothing of time, of what is durable, of open files or of faults. Errors are those of the operating system.

import { invariant } from "../model/invariant.ts"
import { FileContent, nextOwner } from "./file-content.ts"
import { keyOf, mix, nameFingerprint } from "./fingerprint.ts"
import { namesIn } from "./disk-path.ts"
import { systemError } from "./system-error.ts"

/** A directory's names and the numbers of what they stand for. */
export interface DirectoryContent {
  readonly kind: "directory"
  readonly owner: number
  readonly entries: Map<string, number>
}

export type TreeNode = FileContent | DirectoryContent

/** A place for a name: a directory and the name in it. */
export interface TreePlace {
  readonly directory: number
  readonly name: string
}

export const ROOT = 1

export class DiskTree {
  #owner: number
  /** By number; copied as a whole for each tree, which an array makes cheap. */
  readonly #nodes: (TreeNode | undefined)[]
  /** The highest number that was ever given to a node. */
  #lastNumber: number

  /** A tree of the same content; an empty one without a source. Changes of either do not show in the other. */
  constructor(source?: DiskTree) {
    this.#owner = nextOwner()
    if (source === undefined) {
      this.#nodes = [undefined, { kind: "directory", owner: this.#owner, entries: new Map() }]
      this.#lastNumber = ROOT
    } else {
      // From now on the source copies, too, before it changes what both hold.
      source.#owner = nextOwner()
      this.#nodes = source.#nodes.slice()
      this.#lastNumber = source.#lastNumber
    }
  }

  /** A number that no node has had. */
  nextNumber(): number {
    this.#lastNumber++
    return this.#lastNumber
  }

  /** Pages of all files, also of those without a name. */
  pageCount(): number {
    let count = 0
    for (const node of this.#nodes) if (node?.kind === "file") count += node.pageCount
    return count
  }

  node(number: number): TreeNode | undefined {
    return this.#nodes[number]
  }

  file(number: number): FileContent | undefined {
    const node = this.#nodes[number]
    return node?.kind === "file" ? node : undefined
  }

  directory(number: number): DirectoryContent | undefined {
    const node = this.#nodes[number]
    return node?.kind === "directory" ? node : undefined
  }

  /** The file, to be changed; an empty one if the number is free. */
  changeFile(number: number): FileContent {
    const node = this.#nodes[number]
    if (node?.kind === "file" && node.owner === this.#owner) return node
    invariant(node?.kind !== "directory", "a file's number stands for a file")
    const copy = new FileContent(this.#owner, node)
    this.#set(number, copy)
    return copy
  }

  /** The directory, to be changed; an empty one if the number is free. */
  changeDirectory(number: number): DirectoryContent {
    const node = this.#nodes[number]
    if (node?.kind === "directory" && node.owner === this.#owner) return node
    invariant(node?.kind !== "file", "a directory's number stands for a directory")
    const copy: DirectoryContent = { kind: "directory", owner: this.#owner, entries: new Map(node?.entries) }
    this.#set(number, copy)
    return copy
  }

  remove(number: number): void {
    this.#nodes[number] = undefined
  }

  /** What the path leads to; undefined where there is nothing. Fails with: ENOTDIR behind a file. */
  lookup(path: string, syscall: string): number | undefined {
    const names = namesIn(path)
    return this.#follow(names, names.length, path, syscall)
  }

  /** The directory that holds the path's last name. Fails with: ENOENT, ENOTDIR. */
  placeOf(path: string, syscall: string): TreePlace {
    const names = namesIn(path)
    const name = names.at(-1)
    if (name === undefined) throw systemError("EBUSY", syscall, path)
    const directory = this.#follow(names, names.length - 1, path, syscall)
    if (directory === undefined) throw systemError("ENOENT", syscall, path)
    this.#entriesOf(directory, path, syscall)
    return { directory, name }
  }

  /** Path and number of every file that has a name, in the order of their names. */
  namedFiles(): Map<string, number> {
    const found = new Map<string, number>()
    this.#walk(ROOT, "", found)
    return found
  }

  /** Numbers of everything that a path leads to, and of what is below directories without a name that are given. */
  reachable(nameless: Iterable<number> = []): Set<number> {
    const found = new Set<number>([ROOT, ...nameless])
    // A set's iteration comes to what is added meanwhile.
    for (const number of found) {
      const entries = this.directory(number)?.entries
      if (entries !== undefined) for (const child of entries.values()) found.add(child)
    }
    return found
  }

  /** Forgets the nodes that no path leads to, apart from those given and what is below them. */
  sweep(kept: ReadonlySet<number>): void {
    const reachable = this.reachable(kept)
    for (const number of this.#nodes.keys()) {
      if (!reachable.has(number)) this.#nodes[number] = undefined
    }
  }

  /** A key that is equal for trees that a reader cannot tell apart, and hardly ever otherwise. */
  fingerprint(): number {
    const [first, second] = this.fingerprints()
    return keyOf(first, second)
  }

  /** The two sums behind it: of each file, its own two numbers mixed with that of its path. */
  fingerprints(): readonly [number, number] {
    const sums: [number, number] = [0, 0]
    this.#addFingerprints(ROOT, 0, sums)
    return sums
  }

  #set(number: number, node: TreeNode): void {
    // No holes in the array itself: those are slow.
    while (this.#nodes.length < number) this.#nodes.push(undefined)
    this.#nodes[number] = node
    this.#lastNumber = Math.max(this.#lastNumber, number)
  }

  /** Where the first `count` names lead. */
  #follow(names: readonly string[], count: number, path: string, syscall: string): number | undefined {
    let number: number | undefined = ROOT
    for (let index = 0; index < count; index++) {
      if (number === undefined) return undefined
      number = this.#entriesOf(number, path, syscall).get(names[index] as string)
    }
    return number
  }

  #addFingerprints(directory: number, path: number, sums: [number, number]): void {
    const entries = this.directory(directory)?.entries
    if (entries === undefined) return
    for (const [name, number] of entries) {
      const place = nameFingerprint(path, name)
      const node = this.#nodes[number]
      if (node?.kind === "file") {
        const [first, second] = node.fingerprint()
        sums[0] = (sums[0] + mix(place, first)) | 0
        sums[1] = (sums[1] + mix(second, place)) | 0
      } else {
        sums[0] = (sums[0] + mix(place, 1)) | 0
        sums[1] = (sums[1] + mix(1, place)) | 0
        this.#addFingerprints(number, place, sums)
      }
    }
  }

  #walk(directory: number, path: string, found: Map<string, number>): void {
    const entries = this.directory(directory)?.entries
    if (entries === undefined) return
    for (const [name, number] of [...entries].sort(([left], [right]) => (left < right ? -1 : 1))) {
      if (this.#nodes[number]?.kind === "file") found.set(`${path}/${name}`, number)
      else this.#walk(number, `${path}/${name}`, found)
    }
  }

  #entriesOf(number: number, path: string, syscall: string): ReadonlyMap<string, number> {
    const node = this.#nodes[number]
    if (node?.kind === "file") throw systemError("ENOTDIR", syscall, path)
    if (node === undefined) throw systemError("ENOENT", syscall, path)
    return node.entries
  }
}
