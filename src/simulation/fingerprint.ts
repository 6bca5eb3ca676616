// Numbers that stand for contents, so that equal crash states are found without comparing bytes: two independent 32-bit
// sums, of which 53 bits make the key of a state. Among a thousand states of one crash point two different ones share a
// key about once in 10^10 points. Sums, so that a changed sector changes the number of its file at once.

/** What a disk writes whole or not at all. */
export const SECTOR_SIZE = 512
const WORDS_IN_SECTOR = SECTOR_SIZE / 4

/**
 * Writes the two numbers of one sector to `target` at 2 * sector. A sector of zeros has two zeros, so that a hole and a
 * page of zeros are equal. `place` is the sector's number in the file.
 */
export function sectorFingerprint(words: Uint32Array, sector: number, place: number, target: Int32Array): void {
  const start = sector * WORDS_IN_SECTOR
  let first = Math.imul(place + 1, 0x27d4eb2f)
  let second = Math.imul(place + 1, 0x165667b1)
  let seen = 0
  for (let index = start; index < start + WORDS_IN_SECTOR; index++) {
    const word = words[index] as number
    seen |= word
    first = Math.imul(first ^ word, 0x85ebca6b)
    first = (first << 13) | (first >>> 19)
    second = Math.imul((second + word) | 0, 0xc2b2ae35)
    second ^= second >>> 15
  }
  target[sector * 2] = seen === 0 ? 0 : finish(first)
  target[sector * 2 + 1] = seen === 0 ? 0 : finish(second)
}

/** A number for a name below a parent that has one itself. */
export function nameFingerprint(parent: number, name: string): number {
  let sum = Math.imul(parent ^ 0x2f, 0x85ebca6b)
  for (let index = 0; index < name.length; index++) {
    sum = Math.imul(sum ^ name.charCodeAt(index), 0xcc9e2d51)
    sum = (sum << 15) | (sum >>> 17)
  }
  return finish(sum)
}

/** One number of two that belong together. */
export function mix(left: number, right: number): number {
  return finish(Math.imul(left, 0x9e3779b1) ^ ((right << 16) | (right >>> 16)))
}

/** 53 bits of the two numbers, exact in a JavaScript number: the key of a map. */
export function keyOf(first: number, second: number): number {
  return (first >>> 0) * 2 ** 21 + (second >>> 11)
}

/** The finaliser of MurmurHash3 (Appleby, public domain). */
function finish(value: number): number {
  let mixed = value ^ (value >>> 16)
  mixed = Math.imul(mixed, 0x85ebca6b)
  mixed ^= mixed >>> 13
  mixed = Math.imul(mixed, 0xc2b2ae35)
  return mixed ^ (mixed >>> 16)
}
