// A live query: a result that follows its tables, its deltas, and the aggregates that are made of it. Its operators are
// in live-stage.ts; here they are driven, and what they give is handed on.

import type { Aggregate, Group } from "./live-aggregate.ts"
import { average, count, groupBy, max, min, sum } from "./live-aggregate.ts"
import { entersOf, LiveDeltaHub, LiveDeltaStream } from "./live-delta-stream.ts"
import { differenceOf } from "./live-difference.ts"
import { LiveFold } from "./live-fold.ts"
import { LiveNode } from "./live-node.ts"
import type { LiveHost, LiveSource } from "./live-node.ts"
import type { OrderValue } from "./live-order.ts"
import type { LiveDelta, LiveDeltas, LiveRow, SourceChange } from "./live-row.ts"
import type { LiveStage } from "./live-stage.ts"

/**
 * Rows that match, in their order, as they are behind the last durable commit: a value that follows the store. Made by
 * `table.live` and `table.join`.
 *
 * Requires: rows are not modified; all who look share them.
 * Guarantees: `result` is the same array as long as nothing in it changes, and each row in it the same object; deltas
 * turn one result into the next exactly; all live values of a store stand at the same commit.
 * Fails with: QueryFailed, StoreClosed.
 */
export class LiveQuery<Value = unknown> extends LiveNode<readonly LiveRow<Value>[]> {
  readonly #stageBeside: (shown: LiveStage | undefined) => LiveStage
  readonly #hub: LiveDeltaHub<Value>
  readonly #folds: Set<LiveFold<Value, unknown>> = new Set()
  /** What is shown. */
  #stage: LiveStage | undefined = undefined
  /** The rows that were looked at last. */
  #last: readonly LiveRow<Value>[] = []
  /** What is being loaded. */
  #loading: LiveStage | undefined = undefined
  /** What the last commit did, until it is told. */
  #batch: LiveDeltas<Value> | undefined = undefined
  #batchCount = 0
  #isTouched = false

  /** `stageBeside`: makes the operators, which show rows of the stage that is given again where they have not changed. */
  constructor(
    host: LiveHost,
    sources: readonly LiveSource[],
    stageBeside: (shown: LiveStage | undefined) => LiveStage,
  ) {
    super(host, sources)
    this.#stageBeside = stageBeside
    const rows = (): readonly LiveRow<Value>[] => this.#rows()
    const batchCount = (): number => this.#batchCount
    const isReady = (): boolean => this.isReady
    const lsn = (): number => this.lsn
    this.#hub = new LiveDeltaHub<Value>({
      get result() {
        return rows()
      },
      get batchCount() {
        return batchCount()
      },
      get isReady() {
        return isReady()
      },
      get lsn() {
        return lsn()
      },
    })
  }

  /** The rows; none before it is ready. When it has ended, those that were looked at last. */
  override get result(): readonly LiveRow<Value>[] {
    this.#isTouched = true
    return this.#rows()
  }

  /** What changes in the result, commit by commit; the first batch brings the rows that there are. */
  deltas(): LiveDeltaStream<Value> {
    this.#isTouched = true
    return new LiveDeltaStream(this.#hub)
  }

  /** How many rows the result has. */
  count(): LiveFold<Value, number> {
    return this.aggregate(count())
  }

  /** The sum of a number of each row; 0 of none. Exact, and rounded once. */
  sum(of: (value: Value, key: string) => number): LiveFold<Value, number> {
    return this.aggregate(sum(of))
  }

  /** The mean of a number of each row; undefined of none. */
  average(of: (value: Value, key: string) => number): LiveFold<Value, number | undefined> {
    return this.aggregate(average(of))
  }

  /** The least of what the function gives; undefined of no rows. */
  min<Least extends OrderValue>(of: (value: Value, key: string) => Least): LiveFold<Value, Least | undefined> {
    return this.aggregate(min(of))
  }

  /** The greatest of what the function gives; undefined of no rows. */
  max<Greatest extends OrderValue>(of: (value: Value, key: string) => Greatest): LiveFold<Value, Greatest | undefined> {
    return this.aggregate(max(of))
  }

  /** An aggregate of each group of rows: `query.groupBy((city) => city.country, aggregates.count())`. */
  groupBy<Key extends Group, Result>(
    of: (value: Value, key: string) => Key,
    aggregate: Aggregate<Value, Result>,
  ): LiveFold<Value, ReadonlyMap<Key, Result>> {
    return this.aggregate(groupBy(of, aggregate))
  }

  /**
   * Any aggregate over the rows of the result. It ends with the query. The query ends when the last of its aggregates is
   * closed, if nothing but aggregates was ever asked of it.
   */
  aggregate<Result>(aggregate: Aggregate<Value, Result>): LiveFold<Value, Result> {
    const fold: LiveFold<Value, Result> = new LiveFold<Value, Result>(this, this.table, aggregate, () => {
      this.#forgetFold(fold)
    })
    this.#folds.add(fold)
    if (this.isReady) {
      fold.apply(entersOf(this.#rows()))
      fold.begin()
    }
    if (this.isOver) fold.end(this.error === undefined ? undefined : { reason: this.error })
    return fold
  }

  override get rowCount(): number {
    return (this.#stage?.count ?? 0) + (this.#loading?.count ?? 0)
  }

  override known(source: number, key: string, version: number): { readonly value: unknown } | undefined {
    return this.#stage?.known(source, key, version)
  }

  override publish(): void {
    const batch = this.#batch
    this.#batch = undefined
    if (batch !== undefined) this.#hub.publish(batch, this.#batchCount)
  }

  override show(): void {
    super.show()
    for (const fold of this.#folds) fold.show()
  }

  protected override touched(): void {
    this.#isTouched = true
  }

  protected override loadedKeys(source: number): Iterable<string> {
    return this.#loading?.keys(source) ?? []
  }

  protected override prepare(): void {
    this.#loading = this.#stageBeside(this.#stage)
  }

  protected override take(source: number, key: string, value: unknown, version: number): void {
    this.#loading?.load(source, key, value, version)
  }

  protected override complete(behind: readonly SourceChange[]): void {
    const stage = this.#loading as LiveStage
    const isFirst = this.#stage === undefined
    const before = this.#rows()
    stage.loaded()
    if (behind.length > 0) stage.step(behind)
    this.#loading = undefined
    this.#stage = stage
    // Of a first result that nobody follows, the rows need not be made.
    if (isFirst && this.#hub.isIdle && this.#folds.size === 0) return
    const deltas = differenceOf(before, this.#rows())
    if (deltas.length === 0) stage.keepResult(before)
    if (deltas.length > 0 || isFirst) this.#note(deltas)
    if (isFirst) for (const fold of this.#folds) fold.begin()
  }

  protected override concerns(change: SourceChange): boolean {
    return (this.#stage as LiveStage).concerns(change)
  }

  protected override step(changes: readonly SourceChange[]): void {
    const deltas = (this.#stage as LiveStage).step(changes) as LiveDelta<Value>[]
    if (deltas.length > 0) this.#note(deltas)
  }

  protected override ended(failure: { readonly reason: unknown } | undefined): void {
    super.ended(failure)
    this.#stage = undefined
    this.#loading = undefined
    this.#batch = undefined
    this.#hub.end(failure)
    for (const fold of this.#folds) fold.end(failure)
    this.#folds.clear()
  }

  #rows(): readonly LiveRow<Value>[] {
    const stage = this.#stage
    if (stage === undefined) return this.#last
    try {
      this.#last = stage.result as readonly LiveRow<Value>[]
    } catch (cause) {
      this.fail("it made its result", cause)
    }
    return this.#last
  }

  #note(deltas: readonly LiveDelta<Value>[]): void {
    this.#batchCount++
    this.#batch = { lsn: this.lsn, deltas }
    for (const fold of this.#folds) fold.apply(deltas)
  }

  #forgetFold(fold: LiveFold<Value, unknown>): void {
    this.#folds.delete(fold)
    if (this.#folds.size === 0 && !this.#isTouched) this.close()
  }
}
