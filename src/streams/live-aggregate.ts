// Aggregates that are maintained: rows are added and removed, and the result is at hand. Each is a fold that can be undone,
// so its cost is that of the change, not that of the rows. Functions are called again with a row that leaves: they must
// give what they gave when it came.

import { ExactSum } from "./exact-sum.ts"
import { abbreviated, compareSortKeys, sortKeyFrom } from "./live-order.ts"
import type { OrderValue, SortKey } from "./live-order.ts"
import { SortedBlocks } from "./sorted-blocks.ts"

/** The rows of one result, or of one group, on their way to a value. */
export interface Fold<Value, Result> {
  add(value: Value, key: string): void
  remove(value: Value, key: string): void
  /** The same value, or the same object, as long as it does not change. */
  readonly result: Result
}

/** How rows become a value. */
export interface Aggregate<Value, Result> {
  /** A fold of no rows. */
  start(): Fold<Value, Result>
}

/** What groups are told apart by. */
export type Group = string | number | bigint | boolean | null | undefined

/** The number of rows. */
export function count(): Aggregate<unknown, number> {
  return {
    start: () => {
      let rows = 0
      return {
        add: () => {
          rows++
        },
        remove: () => {
          rows--
        },
        get result() {
          return rows
        },
      }
    },
  }
}

/** The sum, exact until it is rounded to the nearest double; 0 of no rows. Fails with: TypeError for what is no number. */
export function sum<Value>(of: (value: Value, key: string) => number): Aggregate<Value, number> {
  return {
    start: () => {
      const total = new ExactSum()
      return {
        add: (value, key) => total.add(numberFrom(of(value, key))),
        remove: (value, key) => total.remove(numberFrom(of(value, key))),
        get result() {
          return total.value
        },
      }
    },
  }
}

/** The mean; undefined of no rows. Fails with: TypeError for what is no number. */
export function average<Value>(of: (value: Value, key: string) => number): Aggregate<Value, number | undefined> {
  return {
    start: () => {
      const total = sum(of).start()
      let rows = 0
      return {
        add: (value, key) => {
          total.add(value, key)
          rows++
        },
        remove: (value, key) => {
          total.remove(value, key)
          rows--
        },
        get result() {
          return rows === 0 ? undefined : total.result / rows
        },
      }
    },
  }
}

/** The least value, in the order of a live query; undefined of no rows. Keeps the values of all rows, in order. */
export function min<Value, Least extends OrderValue>(
  of: (value: Value, key: string) => Least,
): Aggregate<Value, Least | undefined> {
  return extreme(of, () => 0)
}

/** The greatest value; see `min`. */
export function max<Value, Greatest extends OrderValue>(
  of: (value: Value, key: string) => Greatest,
): Aggregate<Value, Greatest | undefined> {
  return extreme(of, (rows) => rows - 1)
}

/** A value for each group of rows that there is. The map is replaced, never changed, when a group comes, goes or changes. */
export function groupBy<Value, Key extends Group, Result>(
  of: (value: Value, key: string) => Key,
  aggregate: Aggregate<Value, Result>,
): Aggregate<Value, ReadonlyMap<Key, Result>> {
  return { start: () => new GroupFold(of, aggregate) }
}

/** All of them by name, for `groupBy` and `aggregate`: `query.groupBy((city) => city.country, aggregates.count())`. */
export const aggregates: {
  readonly count: typeof count
  readonly sum: typeof sum
  readonly average: typeof average
  readonly min: typeof min
  readonly max: typeof max
  readonly groupBy: typeof groupBy
} = { count, sum, average, min, max, groupBy }

class GroupFold<Value, Key extends Group, Result> implements Fold<Value, ReadonlyMap<Key, Result>> {
  readonly #of: (value: Value, key: string) => Key
  readonly #aggregate: Aggregate<Value, Result>
  readonly #groups: Map<Key, { readonly fold: Fold<Value, Result>; rows: number }> = new Map()
  /** Groups that rows came to or left since the result was made. */
  readonly #touched: Set<Key> = new Set()
  #result: ReadonlyMap<Key, Result> = new Map()

  constructor(of: (value: Value, key: string) => Key, aggregate: Aggregate<Value, Result>) {
    this.#of = of
    this.#aggregate = aggregate
  }

  add(value: Value, key: string): void {
    const name = this.#nameOf(value, key)
    let group = this.#groups.get(name)
    if (group === undefined) {
      group = { fold: this.#aggregate.start(), rows: 0 }
      this.#groups.set(name, group)
    }
    group.fold.add(value, key)
    group.rows++
    this.#touched.add(name)
  }

  remove(value: Value, key: string): void {
    const name = this.#nameOf(value, key)
    const group = this.#groups.get(name)
    if (group === undefined) throw new TypeError("the function of groupBy gave another group for the same row")
    group.fold.remove(value, key)
    group.rows--
    if (group.rows === 0) this.#groups.delete(name)
    this.#touched.add(name)
  }

  get result(): ReadonlyMap<Key, Result> {
    let next: Map<Key, Result> | undefined
    for (const name of this.#touched) {
      const group = this.#groups.get(name)
      const isThere = this.#result.has(name)
      if (group === undefined ? !isThere : isThere && Object.is(this.#result.get(name), group.fold.result)) continue
      next ??= new Map(this.#result)
      if (group === undefined) next.delete(name)
      else next.set(name, group.fold.result)
    }
    this.#touched.clear()
    if (next !== undefined) this.#result = next
    return this.#result
  }

  #nameOf(value: Value, key: string): Key {
    const name = this.#of(value, key)
    const isObject = (typeof name === "object" && name !== null) || typeof name === "function"
    if (isObject) throw new TypeError("rows are grouped by a string, number, bigint, boolean, null or undefined")
    return name
  }
}

interface Extreme<Result> {
  readonly abbreviated: number
  readonly sortKey: SortKey
  readonly key: string
  readonly value: Result
}

function extreme<Value, Result extends OrderValue>(
  of: (value: Value, key: string) => Result,
  rankOf: (rows: number) => number,
): Aggregate<Value, Result | undefined> {
  const itemOf = (row: Value, key: string): Extreme<Result> => {
    const value = of(row, key)
    const sortKey = sortKeyFrom(value)
    return { abbreviated: abbreviated(sortKey), sortKey, key, value }
  }
  return {
    start: () => {
      const items = new SortedBlocks<Extreme<Result>>((left, right) => {
        const order = compareSortKeys(left.sortKey, right.sortKey)
        if (order !== 0 || left.key === right.key) return order
        return left.key < right.key ? -1 : 1
      })
      return {
        add: (value, key) => {
          items.add(itemOf(value, key), 0)
        },
        remove: (value, key) => {
          if (items.remove(itemOf(value, key), 0) >= 0) return
          throw new TypeError("the function of min or max gave another value for the same row")
        },
        get result() {
          return items.count === 0 ? undefined : items.at(rankOf(items.count))?.value
        },
      }
    },
  }
}

function numberFrom(value: unknown): number {
  if (typeof value === "number") return value
  throw new TypeError(`only numbers are summed up, not a value of type ${value === null ? "null" : typeof value}`)
}
