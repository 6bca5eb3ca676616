// What stands between the sources of a live query and its window: nothing, or a join. Both take rows of tables in and give
// deltas out, and both can be loaded anew beside what they show, so that a query that has lost its place goes on from its
// next result as if it had seen every commit.

import { indexOrder } from "./index-part.ts"
import { LiveJoin } from "./live-join.ts"
import type { JoinOptions } from "./live-join.ts"
import type { LiveDelta, LiveRow, SourceChange } from "./live-row.ts"
import { LiveWindow } from "./live-window.ts"
import type { WindowOptions } from "./live-window.ts"

export interface LiveStage {
  readonly result: readonly LiveRow[]
  /** Rows that are kept, over all sources. */
  readonly count: number
  /** The value of a row that is kept, if it is still of that version: it need not be decoded again. */
  known(source: number, key: string, version: number): { readonly value: unknown } | undefined
  /** Takes a row of a snapshot in. Throws what the user's functions throw. */
  load(source: number, key: string, value: unknown, version: number): void
  /** The keys of the rows of a source that are kept. */
  keys(source: number): Iterable<string>
  /** The snapshot is complete. */
  loaded(): void
  /** The result is as these rows are: shows them. */
  keepResult(rows: readonly LiveRow[]): void
  /** Whether a change could make a difference. Throws what the user's functions throw. */
  concerns(change: SourceChange): boolean
  /** Applies the changes of one commit. Throws what the user's functions throw. */
  step(changes: readonly SourceChange[]): LiveDelta[]
}

/** A query over one table. */
export class TableStage implements LiveStage {
  readonly #window: LiveWindow
  readonly #earlier: LiveWindow | undefined

  constructor(options: WindowOptions, earlier: TableStage | undefined) {
    this.#window = new LiveWindow(options)
    this.#earlier = earlier === undefined ? undefined : earlier.#window
  }

  get result(): readonly LiveRow[] {
    return this.#window.result
  }

  get count(): number {
    return this.#window.count
  }

  known(_source: number, key: string, version: number): { readonly value: unknown } | undefined {
    return this.#window.known(key, version)
  }

  load(_source: number, key: string, value: unknown, version: number): void {
    this.#window.load(key, value, version, this.#earlier)
  }

  keys(): Iterable<string> {
    return this.#window.keys()
  }

  loaded(): void {
    this.#window.loaded()
  }

  keepResult(rows: readonly LiveRow[]): void {
    this.#window.keepResult(rows)
  }

  concerns(change: SourceChange): boolean {
    return this.#window.concerns(change)
  }

  step(changes: readonly SourceChange[]): LiveDelta[] {
    return this.#window.step(changes)
  }
}

/** A query over two tables. */
export class JoinStage implements LiveStage {
  readonly #join: LiveJoin
  readonly #window: LiveWindow
  readonly #earlier: LiveWindow | undefined

  constructor(join: JoinOptions, options: WindowOptions, earlier: JoinStage | undefined) {
    const kept = new LiveJoin(join)
    this.#join = kept
    const { part } = join
    // The joined row knows nothing of the left one's place.
    const order = part === undefined ? undefined : indexOrder(part.isReverse, (_row, key) => kept.placeOf(key))
    this.#window = new LiveWindow({ ...options, order })
    this.#earlier = earlier === undefined ? undefined : earlier.#window
  }

  get result(): readonly LiveRow[] {
    return this.#window.result
  }

  get count(): number {
    return this.#join.count + this.#window.count
  }

  known(source: number, key: string, version: number): { readonly value: unknown } | undefined {
    return this.#join.known(source, key, version)
  }

  load(source: number, key: string, value: unknown, version: number): void {
    this.#join.change({ source, key, isThere: true, value, version }, undefined)
  }

  keys(source: number): Iterable<string> {
    return this.#join.keys(source)
  }

  loaded(): void {
    for (const { key, value, version } of this.#join.rows()) this.#window.load(key, value, version, this.#earlier)
    this.#window.loaded()
  }

  keepResult(rows: readonly LiveRow[]): void {
    this.#window.keepResult(rows)
  }

  concerns(): boolean {
    return true
  }

  step(changes: readonly SourceChange[]): LiveDelta[] {
    const joined: SourceChange[] = []
    for (const change of changes) this.#join.change(change, joined)
    return this.#window.step(joined)
  }
}
