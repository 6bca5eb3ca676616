// Decides which field lists become shapes. A list is learnt when it is seen again while it is still remembered: the
// second time in a young store, a few more times the fuller the registry is. Objects that serve as dictionaries have a
// new list each; they must neither fill the registry nor cost more than being written in full, so remembering is given up
// for a while when it has not led to a shape for long. Everything here is bounded and depends only on what was seen.

/** Lists remembered at a time, one a slot. A power of two. */
const SLOT_COUNT = 256
/** Lists remembered in vain until learning pauses. */
const CREDIT_MAX = 512
/** Lists remembered in vain between two pauses. */
const CREDIT_AFTER_PAUSE = 128
/** Objects let through unseen in the first pause and in the longest; each one doubles the pause before. */
const PAUSE_MIN = 1_024
const PAUSE_MAX = 65_536
/** With each so many shapes learnt, a list must be seen once more. */
const SHAPES_PER_SIGHTING = 256
/** Longest sum of the field names of a shape, in characters. */
const NAMES_LENGTH_MAX = 4_096

interface Candidate {
  readonly fields: readonly string[]
  sightingCount: number
}

export class ShapeCandidates {
  readonly #slots: (Candidate | undefined)[] = new Array<Candidate | undefined>(SLOT_COUNT).fill(undefined)
  #credit = CREDIT_MAX
  #pause = PAUSE_MIN
  /** Objects still to be let through. */
  #pausedFor = 0

  /** Notes one sighting. True if the list should become a shape now, `shapeCount` of them being known. */
  sight(fields: readonly string[], shapeCount: number): boolean {
    if (this.#pausedFor > 0) {
      this.#pausedFor--
      return false
    }
    if (!isLearnable(fields)) return false
    const slot = slotOf(fields)
    const candidate = this.#slots[slot]
    if (candidate !== undefined && isSameList(candidate.fields, fields)) {
      candidate.sightingCount++
      if (candidate.sightingCount < 2 + Math.floor(shapeCount / SHAPES_PER_SIGHTING)) return false
      this.#slots[slot] = undefined
      this.#credit = CREDIT_MAX
      this.#pause = PAUSE_MIN
      return true
    }
    this.#slots[slot] = { fields, sightingCount: 1 }
    this.#credit--
    if (this.#credit === 0) {
      this.#slots.fill(undefined)
      this.#pausedFor = this.#pause
      this.#pause = Math.min(2 * this.#pause, PAUSE_MAX)
      this.#credit = CREDIT_AFTER_PAUSE
    }
    return false
  }
}

/** Objects whose keys begin with a number are dictionaries or sparse lists, never records. */
function isLearnable(fields: readonly string[]): boolean {
  const first = (fields[0] as string).charCodeAt(0)
  if (first >= 0x30 && first <= 0x39) return false
  let length = 0
  for (const field of fields) {
    length += field.length
    if (!field.isWellFormed()) return false
  }
  return length <= NAMES_LENGTH_MAX
}

function slotOf(fields: readonly string[]): number {
  let hash = fields.length
  for (const field of fields) {
    const size = field.length
    if (size > 0) hash = Math.imul(hash ^ field.charCodeAt(0), 0x85ebca6b) ^ field.charCodeAt(size - 1)
    hash = Math.imul(hash ^ field.charCodeAt(size >> 1), 0xc2b2ae35) ^ size
    hash ^= hash >>> 15
  }
  return hash & (SLOT_COUNT - 1)
}

function isSameList(left: readonly string[], right: readonly string[]): boolean {
  if (left.length !== right.length) return false
  for (let index = 0; index < left.length; index++) if (left[index] !== right[index]) return false
  return true
}
