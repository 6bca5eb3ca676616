// Copies of records for subscribers, who may look at a change at any time, or never. The bytes live as text of one byte a
// character (Latin-1, which any byte is): such a text is a part of the heap where most of it dies young, while memory
// beside the heap is asked of the operating system, page by page, for every frame. Who reads gets the bytes in one of a
// few buffers, which are used again and again.
//
//   frame ──copy──> slot ──latin1──> text          the slot is another copy's soon; the text stays
//                    ^                 │
//                    └──── read ───────┘            written back when somebody reads, and the slot is no longer its own
//
// Guarantees: `bytes` are the records that were filled in, whenever it is asked for; they hold until another copy is read or
// filled, so whoever decodes must not keep them.

/** Bytes from which on a copy is full: what one kept change keeps from being freed is a little more. */
export const COPY_SIZE_FULL: number = 32 * 1024
/** What the slots have room for: a copy that was not full, and a record that is not large. */
const SLOT_SIZE = 2 * COPY_SIZE_FULL
/** As many bytes as a frame mostly has, so that those who read at once find everything there. */
const SLOT_COUNT = 8
/** How often the bytes are written back before they get memory of their own: somebody goes to and fro. */
const LOAD_COUNT_MAX = 2

interface Slot {
  readonly buffer: Buffer
  owner: RecordCopy | undefined
}

const NO_SLOT: Slot = { buffer: Buffer.alloc(0), owner: undefined }

/** The buffers that copies take turns in. */
export class CopySlots {
  readonly #slots: Slot[] = []
  #next = 0

  /** The slot that was taken first becomes this copy's. */
  take(owner: RecordCopy): Slot {
    const index = this.#next
    this.#next = (index + 1) % SLOT_COUNT
    let slot = this.#slots[index]
    if (slot === undefined) this.#slots[index] = slot = { buffer: Buffer.allocUnsafeSlow(SLOT_SIZE), owner }
    slot.owner = owner
    return slot
  }
}

export class RecordCopy {
  readonly #slots: CopySlots
  #slot: Slot = NO_SLOT
  #text = ""
  #loadCount = 0

  constructor(slots: CopySlots) {
    this.#slots = slots
  }

  /** The records, from 0 on; behind them may be anything. */
  get bytes(): Buffer {
    const slot = this.#slot
    return slot.owner === this ? slot.buffer : this.#load()
  }

  /** Takes over the bytes of the runs, each a start and an end, one behind the other. `size`: of all of them. */
  fill(source: Buffer, runs: readonly number[], size: number): void {
    const isLarge = size > SLOT_SIZE
    const slot = isLarge ? { buffer: Buffer.allocUnsafeSlow(size), owner: this } : this.#slots.take(this)
    let at = 0
    for (let index = 0; index < runs.length; index += 2) {
      at += source.copy(slot.buffer, at, runs[index], runs[index + 1])
    }
    this.#slot = slot
    if (!isLarge) this.#text = slot.buffer.latin1Slice(0, size)
  }

  /** The same for one run that nobody is expected to read soon. */
  keep(source: Buffer, start: number, end: number): void {
    this.#text = source.latin1Slice(start, end)
  }

  #load(): Buffer {
    const size = this.#text.length
    const isOwn = this.#loadCount++ === LOAD_COUNT_MAX || size > SLOT_SIZE
    const slot = isOwn ? { buffer: Buffer.allocUnsafeSlow(size), owner: this } : this.#slots.take(this)
    slot.buffer.latin1Write(this.#text, 0)
    this.#slot = slot
    if (isOwn) this.#text = ""
    return slot.buffer
  }
}
