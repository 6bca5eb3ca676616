// When keys expire: an index over the expiry records of a store, by key and by deadline. Derived, never the truth: it is
// built from the records and follows the commits that change them.
//
// Memory: beside the wheel's 18 bytes, an entry in a map of the table's keys, and the key.

import type { TableEntry } from "./catalogue.ts"
import { TimerWheel } from "./timer-wheel.ts"

/** A key, and when it expires, in milliseconds since 1970. */
export interface Deadline {
  readonly entry: TableEntry
  readonly key: string
  readonly atMs: number
}

export class Deadlines {
  readonly #wheel: TimerWheel
  readonly #timers: Map<TableEntry, Map<string, number>> = new Map()
  /** Of each timer of the wheel. */
  readonly #entries: TableEntry[] = []
  readonly #keys: string[] = []

  constructor(tickMs: number) {
    this.#wheel = new TimerWheel(tickMs)
  }

  /** Keys that have a deadline. */
  get count(): number {
    return this.#wheel.count
  }

  /** When there is something to do, at the earliest. */
  get nextMs(): number {
    return this.#wheel.nextMs
  }

  /** The deadline that has passed first, as far as `advance` has gone. */
  get oldestDueMs(): number | undefined {
    const { due } = this.#wheel
    return due < 0 ? undefined : this.#wheel.deadlineOf(due)
  }

  /** Gives a key a deadline, in place of the one that it had. */
  set({ entry, key, atMs }: Deadline): void {
    let timers = this.#timers.get(entry)
    if (timers === undefined) this.#timers.set(entry, (timers = new Map()))
    const known = timers.get(key)
    if (known !== undefined) return this.#wheel.move(known, atMs)
    const timer = this.#wheel.add(atMs)
    timers.set(key, timer)
    this.#entries[timer] = entry
    this.#keys[timer] = key
  }

  /** The key has no deadline any more. */
  cancel(entry: TableEntry, key: string): void {
    const timers = this.#timers.get(entry)
    const timer = timers?.get(key)
    if (timers === undefined || timer === undefined) return
    timers.delete(key)
    this.#wheel.remove(timer)
    this.#keys[timer] = ""
  }

  /** Makes due what has its deadline by now. */
  advance(nowMs: number): void {
    this.#wheel.advance(nowMs)
  }

  /** Takes the keys that are due out, oldest deadline first, `countMax` at most. */
  takeDue(countMax: number): readonly Deadline[] {
    const due: Deadline[] = []
    while (due.length < countMax) {
      const timer = this.#wheel.due
      if (timer < 0) break
      const entry = this.#entries[timer] as TableEntry
      const key = this.#keys[timer] as string
      due.push({ entry, key, atMs: this.#wheel.deadlineOf(timer) })
      this.cancel(entry, key)
    }
    return due
  }

  clear(): void {
    this.#wheel.clear()
    this.#timers.clear()
    this.#entries.length = 0
    this.#keys.length = 0
  }
}
