// The bytes of a simulated file, in pages that versions of the file share until one of them writes (copy on write), so
// that 100,000 crash states of a store cost little more than the pages in which they differ. A number, the owner, says who
// may change a version or a page in place; everybody else copies first.
//
// Guarantees: everything beyond the size is zeros, once `clip` was called. The fingerprint depends on size and
// bytes alone, not on which pages are held.

import { SECTOR_SIZE, sectorFingerprint } from "./fingerprint.ts"

/** Bytes in a page, and what a file takes of the disk's room for each page that was ever written. */
export const PAGE_SIZE = 4096
const SECTORS_IN_PAGE = PAGE_SIZE / SECTOR_SIZE

interface Page {
  readonly owner: number
  readonly bytes: Uint8Array
  readonly words: Uint32Array
  /** Of each sector, two numbers; valid where the bit of the sector is set in `known`. */
  readonly fingerprints: Int32Array
  known: number
}

let lastOwner = 0

/** A number that nobody had before. Says nothing and decides nothing, so it need not come from the seed. */
export function nextOwner(): number {
  lastOwner++
  return lastOwner
}

export class FileContent {
  readonly kind = "file"
  /** Who may change this version in place. Constant after construction. */
  readonly owner: number
  #size: number
  #pages: (Page | undefined)[]
  #pageCount: number
  /** Whether something may have been written beyond the size. */
  #overhangs: boolean
  /** Of this version; undefined after a change. */
  #fingerprint: readonly [number, number] | undefined

  constructor(owner: number, source?: FileContent) {
    this.owner = owner
    this.#size = source === undefined ? 0 : source.#size
    this.#pages = source === undefined ? [] : source.#pages.slice()
    this.#pageCount = source === undefined ? 0 : source.#pageCount
    this.#overhangs = source === undefined ? false : source.#overhangs
    this.#fingerprint = source === undefined ? undefined : source.#fingerprint
  }

  get size(): number {
    return this.#size
  }

  /** Pages that take room on the disk; the others are holes. */
  get pageCount(): number {
    return this.#pageCount
  }

  /** Pages that a write there would add. */
  pagesMissing(position: number, length: number): number {
    let count = 0
    for (let index = Math.floor(position / PAGE_SIZE); index * PAGE_SIZE < position + length; index++) {
      if (this.#pages[index] === undefined) count++
    }
    return count
  }

  /** Copies bytes into the target, as far as the file goes. Returns how many. */
  read(target: Uint8Array, position: number): number {
    const end = Math.min(this.#size, position + target.length)
    let at = position
    while (at < end) {
      const start = at % PAGE_SIZE
      const count = Math.min(PAGE_SIZE - start, end - at)
      const page = this.#pages[(at - start) / PAGE_SIZE]
      if (page === undefined) target.fill(0, at - position, at - position + count)
      else target.set(page.bytes.subarray(start, start + count), at - position)
      at += count
    }
    return Math.max(0, end - position)
  }

  /** Whether `clip` has something to do. */
  get overhangs(): boolean {
    return this.#overhangs
  }

  /** Writes the bytes and leaves the size: what lies beyond shows when the size grows, unless it is clipped before. */
  write(source: Uint8Array, position: number): void {
    this.#fingerprint = undefined
    const end = position + source.length
    if (end > this.#size) this.#overhangs = true
    let at = position
    while (at < end) {
      const start = at % PAGE_SIZE
      const count = Math.min(PAGE_SIZE - start, end - at)
      const page = this.#changePage((at - start) / PAGE_SIZE)
      page.bytes.set(count === source.length ? source : source.subarray(at - position, at - position + count), start)
      forgetSectors(page, start, start + count)
      at += count
    }
  }

  /** Extends with what lies beyond the size, zeros as a rule; or cuts. */
  resize(size: number): void {
    if (size < this.#size) this.#overhangs = true
    this.#size = size
    this.#fingerprint = undefined
  }

  /** Makes everything beyond the size zeros, and frees the pages that lie there. */
  clip(): void {
    if (!this.#overhangs) return
    this.#overhangs = false
    this.#fingerprint = undefined
    const keptCount = Math.ceil(this.#size / PAGE_SIZE)
    for (let index = keptCount; index < this.#pages.length; index++) {
      if (this.#pages[index] !== undefined) this.#pageCount--
    }
    if (this.#pages.length > keptCount) this.#pages.length = keptCount
    const start = this.#size % PAGE_SIZE
    if (start === 0 || this.#pages[keptCount - 1] === undefined) return
    const page = this.#changePage(keptCount - 1)
    page.bytes.fill(0, start)
    forgetSectors(page, start, PAGE_SIZE)
  }

  /** Turns one bit over. Requires: the offset lies inside the file. */
  flipBit(offset: number, bit: number): void {
    const byte = new Uint8Array(1)
    this.read(byte, offset)
    byte[0] = (byte[0] as number) ^ (1 << bit)
    this.write(byte, offset)
  }

  /** All bytes, in memory of its own. */
  bytes(): Uint8Array {
    const copy = new Uint8Array(this.#size)
    this.read(copy, 0)
    return copy
  }

  /** Two numbers that are equal for equal contents, and hardly ever otherwise. */
  fingerprint(): readonly [number, number] {
    if (this.#fingerprint !== undefined) return this.#fingerprint
    let first = Math.imul(this.#size + 1, 0x9e3779b1)
    let second = Math.imul(this.#size + 1, 0x85ebca6b)
    for (let pageIndex = 0; pageIndex < this.#pages.length; pageIndex++) {
      const page = this.#pages[pageIndex]
      if (page === undefined) continue
      for (let sector = 0; sector < SECTORS_IN_PAGE; sector++) {
        if ((page.known & (1 << sector)) === 0) {
          sectorFingerprint(page.words, sector, pageIndex * SECTORS_IN_PAGE + sector, page.fingerprints)
          page.known |= 1 << sector
        }
        first = (first + (page.fingerprints[sector * 2] as number)) | 0
        second = (second + (page.fingerprints[sector * 2 + 1] as number)) | 0
      }
    }
    this.#fingerprint = [first, second]
    return this.#fingerprint
  }

  /** The same of the first `size` bytes alone, whatever stands behind them. */
  fingerprintTo(size: number): readonly [number, number] {
    if (size >= this.#size) return this.fingerprint()
    let first = Math.imul(size + 1, 0x9e3779b1)
    let second = Math.imul(size + 1, 0x85ebca6b)
    for (let start = 0; start < size; start += SECTOR_SIZE) {
      const page = this.#pages[Math.floor(start / PAGE_SIZE)]
      if (page === undefined) continue
      const sector = (start % PAGE_SIZE) / SECTOR_SIZE
      let sums = page.fingerprints
      let at = sector * 2
      if (start + SECTOR_SIZE > size) {
        const end = sector * SECTOR_SIZE + (size - start)
        partBytes.fill(0).set(page.bytes.subarray(sector * SECTOR_SIZE, end))
        sectorFingerprint(partWords, 0, start / SECTOR_SIZE, partSums)
        sums = partSums
        at = 0
      } else if ((page.known & (1 << sector)) === 0) {
        sectorFingerprint(page.words, sector, start / SECTOR_SIZE, sums)
        page.known |= 1 << sector
      }
      first = (first + (sums[at] as number)) | 0
      second = (second + (sums[at + 1] as number)) | 0
    }
    return [first, second]
  }

  #changePage(index: number): Page {
    const page = this.#pages[index]
    if (page !== undefined && page.owner === this.owner) return page
    const copy = copyPage(page, this.owner)
    if (page === undefined) {
      this.#pageCount++
      // No holes in the array itself: those are slow.
      while (this.#pages.length < index) this.#pages.push(undefined)
    }
    this.#pages[index] = copy
    return copy
  }
}

/** A sector that is looked at in part. */
const partBytes = new Uint8Array(SECTOR_SIZE)
const partWords = new Uint32Array(partBytes.buffer)
const partSums = new Int32Array(2)

// Pages are cut from chunks: an allocation outside the heap for each of them would be half of the cost of a crash state.
const PAGE_MEMORY_SIZE = PAGE_SIZE + SECTORS_IN_PAGE * 8
const CHUNK_SIZE = 16 * PAGE_MEMORY_SIZE
let chunk = new ArrayBuffer(CHUNK_SIZE)
let chunkUsed = 0

function copyPage(source: Page | undefined, owner: number): Page {
  if (chunkUsed === CHUNK_SIZE) {
    chunk = new ArrayBuffer(CHUNK_SIZE)
    chunkUsed = 0
  }
  const bytes = new Uint8Array(chunk, chunkUsed, PAGE_SIZE)
  const words = new Uint32Array(chunk, chunkUsed, PAGE_SIZE / 4)
  const fingerprints = new Int32Array(chunk, chunkUsed + PAGE_SIZE, SECTORS_IN_PAGE * 2)
  chunkUsed += PAGE_MEMORY_SIZE
  // Zeros, and so are the fingerprints of zeros.
  if (source === undefined) return { owner, bytes, words, fingerprints, known: (1 << SECTORS_IN_PAGE) - 1 }
  bytes.set(source.bytes)
  fingerprints.set(source.fingerprints)
  return { owner, bytes, words, fingerprints, known: source.known }
}

function forgetSectors(page: Page, start: number, end: number): void {
  for (let sector = Math.floor(start / SECTOR_SIZE); sector * SECTOR_SIZE < end; sector++) page.known &= ~(1 << sector)
}
