// An aggregate of a live query's result: a value that follows it, at the cost of each delta.

import { QueryFailed } from "../model/live-errors.ts"
import type { Aggregate, Fold } from "./live-aggregate.ts"
import type { LiveDelta } from "./live-row.ts"
import { LiveValue } from "./live-value.ts"

/** Made by the methods of a live query. */
export class LiveFold<Value, Result> extends LiveValue<Result> {
  readonly #source: { readonly lsn: number }
  readonly #table: string
  readonly #onClose: () => void
  readonly #fold: Fold<Value, Result>
  #last: Result
  #endLsn = 0

  constructor(
    source: { readonly lsn: number },
    table: string,
    aggregate: Aggregate<Value, Result>,
    onClose: () => void,
  ) {
    super()
    this.#source = source
    this.#table = table
    this.#onClose = onClose
    this.#fold = aggregate.start()
    this.#last = this.#fold.result
  }

  /** The value; before it is ready, that of no rows. */
  override get result(): Result {
    if (!this.isOver) this.#attempt(() => (this.#last = this.#fold.result))
    return this.#last
  }

  override get lsn(): number {
    return this.isOver ? this.#endLsn : this.#source.lsn
  }

  /** Called by the query, when all its rows are there. */
  begin(): void {
    this.goLive()
  }

  /** Called by the query, with what happened to its result. */
  apply(deltas: readonly LiveDelta<Value>[]): void {
    this.#attempt(() => {
      for (const delta of deltas) {
        if (delta.type === "leave") this.#fold.remove(delta.value, delta.key)
        else if (delta.type !== "enter") this.#fold.remove(delta.before, delta.key)
        if (delta.type !== "leave") this.#fold.add(delta.value, delta.key)
      }
    })
  }

  override close(): void {
    super.close()
    this.#onClose()
  }

  override end(failure?: { readonly reason: unknown }): void {
    // What it was stays to be read.
    if (failure === undefined && !this.isOver) this.#attempt(() => (this.#last = this.#fold.result))
    super.end(failure)
  }

  protected override ended(): void {
    this.#endLsn = this.#source.lsn
  }

  /** What a user's function throws ends this value, and nothing else. */
  #attempt(work: () => void): void {
    if (this.isOver) return
    try {
      work()
    } catch (cause) {
      const remedy = "Mend the function that the aggregate was given, or the value that it met, and ask again"
      this.end({ reason: new QueryFailed(this.#table, "it aggregated its result", remedy, cause) })
    }
  }
}
