// A hierarchical timer wheel (Varghese, Lauck 1987): deadlines to be met in order, with setting and cancelling in constant
// time, however many there are. Time is an argument; nothing happens but when `advance` is called.
//
//   level 0  ▢▢▢…▢   64 slots of one tick each
//   level 1  ▢▢▢…▢   64 slots of 64 ticks each; a slot that is reached is divided among level 0
//     …
//   level 6          64 slots of 64^6 ticks
//
// A timer lies at the level of the highest digit, to base 64, in which its tick differs from the present one. So what lies
// at a low level is due before all that lies higher, and an idle wheel is moved by years in a few steps.
//
// Guarantees: a timer is due never before its deadline, and at most one tick behind it. Those that are due come out in the
// order of their deadlines, if they were set before they were due.
// Memory: 18 bytes a timer, in typed arrays that grow to the double and do not shrink but by `clear`.

import { invariant } from "../model/invariant.ts"

const SLOT_COUNT = 64
const LEVEL_COUNT = 7
/** The list of those that are due, behind the slots of all levels. */
const DUE = SLOT_COUNT * LEVEL_COUNT
const NONE = -1
const FREE = 0xffff
const CAPACITY_FIRST = 64

export class TimerWheel {
  readonly #tickMs: number
  /** Lists of timers: each slot's, and of those that are due. */
  readonly #heads = new Int32Array(DUE + 1)
  #dueTail = NONE
  /** Which slots of a level hold timers, a bit each. */
  readonly #occupied = new Uint32Array(LEVEL_COUNT * 2)
  /** Everything up to this tick is due. */
  #tick = 0
  #next = new Int32Array(0)
  #previous = new Int32Array(0)
  #lists = new Uint16Array(0)
  #deadlines = new Float64Array(0)
  /** Timers that are free, linked by `next`. */
  #free = NONE
  #count = 0

  /** `tickMs`: how exact it is. */
  constructor(tickMs: number) {
    this.#tickMs = tickMs
    this.clear()
  }

  /** Timers that are set, those that are due included. */
  get count(): number {
    return this.#count
  }

  get byteSize(): number {
    return this.#next.byteLength + this.#previous.byteLength + this.#lists.byteLength + this.#deadlines.byteLength
  }

  /** Sets a timer. Its number is its own until it is removed. Requires: a time from 0 on, within 5,000 years of 1970. */
  add(deadlineMs: number): number {
    if (this.#free === NONE) this.#grow()
    const timer = this.#free
    this.#free = this.#next[timer] as number
    this.#deadlines[timer] = deadlineMs
    this.#count++
    this.#place(timer)
    return timer
  }

  /** Takes a timer away, also one that is due. */
  remove(timer: number): void {
    invariant(this.#lists[timer] !== FREE, "a timer is removed once")
    this.#unlink(timer)
    this.#lists[timer] = FREE
    this.#next[timer] = this.#free
    this.#free = timer
    this.#count--
  }

  /** Gives a timer another deadline. */
  move(timer: number, deadlineMs: number): void {
    this.#unlink(timer)
    this.#deadlines[timer] = deadlineMs
    this.#place(timer)
  }

  deadlineOf(timer: number): number {
    return this.#deadlines[timer] as number
  }

  /** The timer whose deadline has passed first, as far as `advance` has gone; or -1. */
  get due(): number {
    return this.#heads[DUE] as number
  }

  /** When there is something to do, at the earliest: infinity where no timer is set. */
  get nextMs(): number {
    if (this.due !== NONE) return this.#tick * this.#tickMs
    const list = this.#firstList()
    return list === NONE ? Number.POSITIVE_INFINITY : this.#startOf(list) * this.#tickMs
  }

  /** Makes due what has its deadline by now. Time that goes back is no time. */
  advance(nowMs: number): void {
    const nowTick = Math.floor(nowMs / this.#tickMs)
    while (nowTick > this.#tick) {
      const list = this.#firstList()
      const start = list === NONE ? Number.POSITIVE_INFINITY : this.#startOf(list)
      this.#tick = Math.min(start, nowTick)
      if (start <= nowTick) this.#empty(list)
    }
  }

  /** Removes all timers, and begins anew at the year 1970: whatever is overdue then comes out in order. */
  clear(): void {
    this.#heads.fill(NONE)
    this.#dueTail = NONE
    this.#occupied.fill(0)
    this.#tick = 0
    this.#count = 0
    this.#free = NONE
    this.#next = new Int32Array(0)
    this.#previous = new Int32Array(0)
    this.#lists = new Uint16Array(0)
    this.#deadlines = new Float64Array(0)
  }

  #tickOf(timer: number): number {
    return Math.ceil((this.#deadlines[timer] as number) / this.#tickMs)
  }

  /** Puts a timer into the slot that its deadline asks for; an overdue one into the very next. */
  #place(timer: number): void {
    const tick = Math.max(this.#tickOf(timer), this.#tick + 1)
    let level = 0
    let unit = 1
    while (level < LEVEL_COUNT - 1) {
      const above = unit * SLOT_COUNT
      if (Math.floor(tick / above) === Math.floor(this.#tick / above)) break
      level++
      unit = above
    }
    const slot = Math.floor(tick / unit) % SLOT_COUNT
    const list = level * SLOT_COUNT + slot
    const head = this.#heads[list] as number
    this.#lists[timer] = list
    this.#next[timer] = head
    this.#previous[timer] = NONE
    if (head !== NONE) this.#previous[head] = timer
    this.#heads[list] = timer
    const word = level * 2 + (slot >>> 5)
    this.#occupied[word] = (this.#occupied[word] as number) | (1 << (slot & 31))
  }

  #unlink(timer: number): void {
    const list = this.#lists[timer] as number
    const next = this.#next[timer] as number
    const previous = this.#previous[timer] as number
    if (previous === NONE) this.#heads[list] = next
    else this.#next[previous] = next
    if (next !== NONE) this.#previous[next] = previous
    else if (list === DUE) this.#dueTail = previous
    if (list !== DUE && this.#heads[list] === NONE) this.#clearBit(list)
  }

  #clearBit(list: number): void {
    const word = Math.floor(list / SLOT_COUNT) * 2 + ((list % SLOT_COUNT) >>> 5)
    this.#occupied[word] = (this.#occupied[word] as number) & ~(1 << (list & 31))
  }

  /** The slot with the earliest timers: at the lowest level that has any, the first one, for none of them lies behind. */
  #firstList(): number {
    for (let word = 0; word < this.#occupied.length; word++) {
      const bits = this.#occupied[word] as number
      if (bits !== 0) return word * 32 + (31 - Math.clz32(bits & -bits))
    }
    return NONE
  }

  /** The first tick of a slot. */
  #startOf(list: number): number {
    const unit = SLOT_COUNT ** Math.floor(list / SLOT_COUNT)
    const above = unit * SLOT_COUNT
    return Math.floor(this.#tick / above) * above + (list % SLOT_COUNT) * unit
  }

  /** Divides a slot that was reached: what is due goes to the list of those, the rest to lower levels. */
  #empty(list: number): void {
    const due: number[] = []
    let timer = this.#heads[list] as number
    this.#heads[list] = NONE
    this.#clearBit(list)
    while (timer !== NONE) {
      const next = this.#next[timer] as number
      if (this.#tickOf(timer) <= this.#tick) due.push(timer)
      else this.#place(timer)
      timer = next
    }
    const deadlines = this.#deadlines
    due.sort((one, other) => (deadlines[one] as number) - (deadlines[other] as number))
    for (const one of due) this.#append(one)
  }

  #append(timer: number): void {
    const tail = this.#dueTail
    this.#lists[timer] = DUE
    this.#next[timer] = NONE
    this.#previous[timer] = tail
    if (tail === NONE) this.#heads[DUE] = timer
    else this.#next[tail] = timer
    this.#dueTail = timer
  }

  #grow(): void {
    const before = this.#next.length
    const size = Math.max(CAPACITY_FIRST, before * 2)
    const next = new Int32Array(size)
    const previous = new Int32Array(size)
    const lists = new Uint16Array(size)
    const deadlines = new Float64Array(size)
    next.set(this.#next)
    previous.set(this.#previous)
    lists.set(this.#lists)
    deadlines.set(this.#deadlines)
    for (let timer = before; timer < size; timer++) {
      lists[timer] = FREE
      next[timer] = timer + 1 < size ? timer + 1 : NONE
    }
    this.#next = next
    this.#previous = previous
    this.#lists = lists
    this.#deadlines = deadlines
    this.#free = before
  }
}
