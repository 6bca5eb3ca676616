// How rows of a snapshot come to the live values that want them: each decoded once for all of them, in slices between which
// others have their turn.

import type { Clock } from "../platform/clock.ts"
import type { LiveNode, LiveSource } from "../streams/live-node.ts"
import type { TableEntry } from "../table/catalogue.ts"
import type { ReadView, VersionReader } from "./version-reader.ts"

/** Milliseconds that a slice takes about. */
const SLICE_MS = 3
/** Rows after which the clock is looked at. */
const LOOK_COUNT = 64

/** What one live value wants of one table. */
export interface Wish {
  readonly node: LiveNode<unknown>
  readonly source: number
  readonly wanted: LiveSource
}

export class LiveReading {
  readonly versions: VersionReader
  readonly view: ReadView
  readonly #clock: Clock
  readonly #isCurrent: () => boolean
  #count = 0
  #sliceStartMs: number

  /** `isCurrent`: whether what is read still counts. */
  constructor(versions: VersionReader, view: ReadView, clock: Clock, isCurrent: () => boolean) {
    this.versions = versions
    this.view = view
    this.#clock = clock
    this.#isCurrent = isCurrent
    this.#sliceStartMs = clock.monotonicMs()
  }

  /** To be asked for each row: whether it is time for `rest`. */
  get isSliceOver(): boolean {
    return ++this.#count % LOOK_COUNT === 0 && this.#clock.monotonicMs() - this.#sliceStartMs >= SLICE_MS
  }

  /** False where what is read does not count any more. */
  async rest(): Promise<boolean> {
    await pause(this.#clock, 0)
    this.#sliceStartMs = this.#clock.monotonicMs()
    return this.#isCurrent()
  }

  /** Gives the row to all of them, if there is one. */
  give(entry: TableEntry, key: string, wishes: Iterable<Wish>): void {
    const { versions, view } = this
    const version = versions.versionOf(entry, key, view)
    if (version === 0) return
    let read: { readonly value: unknown } | undefined
    for (const { node, source, wanted } of wishes) {
      if (node.isOver || !key.startsWith(wanted.prefix)) continue
      const known = node.known(source, key, version)
      if (known === undefined) read ??= { value: versions.get(entry, key, view) }
      node.load(source, key, (known ?? read)?.value, version)
    }
  }
}

/** Lets others have their turn. */
export async function pause(clock: Clock, ms: number): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  clock.after(ms, resolve, true)
  await promise
}
