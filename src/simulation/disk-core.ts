// What a simulated disk and its open files share: the page cache, the runner of operations, who has what open, and how
// much room there is.

import type { DiskTree } from "./disk-tree.ts"
import { PAGE_SIZE } from "./file-content.ts"
import type { OperationRunner } from "./operation-runner.ts"
import type { SimulatedRandom } from "./simulated-random.ts"
import { systemError } from "./system-error.ts"

export class DiskCore {
  // Constant after construction.
  /** What programs see: the page cache over the medium. */
  readonly cache: DiskTree
  readonly runner: OperationRunner
  readonly random: SimulatedRandom

  // Changed by tests.
  /** Room for the bytes of files, in whole pages; undefined for no bound. */
  capacityBytes: number | undefined
  /** Most files open at a time. */
  openFileCountMax: number = Infinity

  readonly #handleCounts = new Map<number, number>()
  /** Files that are open and have lost their last name. */
  readonly #nameless = new Set<number>()
  #openFileCount = 0

  constructor(cache: DiskTree, runner: OperationRunner, random: SimulatedRandom, capacityBytes: number | undefined) {
    this.cache = cache
    this.runner = runner
    this.random = random
    this.capacityBytes = capacityBytes
  }

  get openFileCount(): number {
    return this.#openFileCount
  }

  opened(node: number): void {
    this.#openFileCount++
    this.#handleCounts.set(node, (this.#handleCounts.get(node) ?? 0) + 1)
  }

  closed(node: number): void {
    this.#openFileCount--
    const count = (this.#handleCounts.get(node) ?? 1) - 1
    if (count > 0) this.#handleCounts.set(node, count)
    else {
      this.#handleCounts.delete(node)
      if (this.#nameless.delete(node)) this.cache.remove(node)
    }
  }

  /** Fails with: EMFILE when no more files may be opened. */
  checkOpenFileCount(path: string): void {
    if (this.#openFileCount >= this.openFileCountMax) throw systemError("EMFILE", "open", path)
  }

  /** To be called when a name of it went: gives its room back once neither a name nor a handle leads to it. */
  freeIfUnused(node: number): void {
    if (this.cache.reachable().has(node)) return
    if (this.#handleCounts.has(node)) this.#nameless.add(node)
    else this.cache.remove(node)
  }

  /** Undefined without a bound. */
  freeBytes(): number | undefined {
    if (this.capacityBytes === undefined) return undefined
    return Math.max(0, this.capacityBytes - this.cache.pageCount() * PAGE_SIZE)
  }

  /** How many of `length` bytes at `position` there is room for: fewer at the end of the room, as POSIX has it. */
  roomFor(node: number, position: number, length: number): number {
    const free = this.freeBytes()
    const file = this.cache.file(node)
    if (free === undefined || file === undefined) return length
    const pagesFree = Math.floor(free / PAGE_SIZE)
    let taken = length
    while (taken > 0 && file.pagesMissing(position, taken) > pagesFree) {
      const lastPageStart = (Math.ceil((position + taken) / PAGE_SIZE) - 1) * PAGE_SIZE
      taken = Math.max(0, lastPageStart - position)
    }
    return taken
  }
}
