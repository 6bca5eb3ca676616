// The order of a live result: by what the user's functions give for a row, then by the key, so that it is total and two
// rows never stand in the same place. Numbers, bigints and dates compare as numbers, NaN before all of them; strings by
// their code units, behind all numbers.

/** What rows can be ordered by. */
export type OrderValue = string | number | bigint | Date

export interface OrderPart<Value = unknown> {
  readonly by: (value: Value, key: string) => OrderValue
  /** Default "ascending". */
  readonly direction?: "ascending" | "descending"
}

/** One function, for ascending order, or several in the order of their weight. */
export type OrderBy<Value = unknown> = ((value: Value, key: string) => OrderValue) | readonly OrderPart<Value>[]

/** What is kept of an order value: dates as their milliseconds. */
export type SortKey = string | number | bigint

/** What an order compares. */
export interface Ordered {
  readonly key: string
  readonly sortKey: SortKey | readonly SortKey[] | undefined
}

/** Between the abbreviated keys of numbers and those of strings. */
const NUMBER_MAX = 2 ** 1000

/** An order as a pair of functions that belong together. */
export interface RowOrder {
  /** Fails with: TypeError for what cannot be ordered by, and what the user's function throws. */
  readonly sortKeyOf: (value: unknown, key: string) => Ordered["sortKey"]
  /** A number that is lower than another's only if the row stands before it. */
  readonly abbreviate: (sortKey: Ordered["sortKey"]) => number
  /** Below zero: left stands before right. Zero only for the same key. */
  readonly compare: (left: Ordered, right: Ordered) => number
}

/** Without an order: by key. */
export function rowOrder(orderBy: OrderBy | undefined): RowOrder {
  if (orderBy === undefined) return { sortKeyOf: () => undefined, abbreviate: () => 0, compare: compareKeys }
  if (typeof orderBy === "function") return singleOrder(orderBy, 1)
  const [first] = orderBy
  if (first !== undefined && orderBy.length === 1) return singleOrder(first.by, signOf(first))
  const signs = orderBy.map(signOf)
  return {
    sortKeyOf: (value, key) => orderBy.map(({ by }) => sortKeyFrom(by(value, key))),
    abbreviate: (sortKey) => abbreviated((sortKey as readonly SortKey[])[0] as SortKey) * (signs[0] as number),
    compare: (left, right) => {
      const lefts = left.sortKey as readonly SortKey[]
      const rights = right.sortKey as readonly SortKey[]
      for (let index = 0; index < signs.length; index++) {
        const order = compareSortKeys(lefts[index] as SortKey, rights[index] as SortKey)
        if (order !== 0) return order * (signs[index] as number)
      }
      return compareKeys(left, right)
    },
  }
}

/** What is compared in place of an order value. Throws a TypeError for anything else. */
export function sortKeyFrom(value: unknown): SortKey {
  if (typeof value === "number" || typeof value === "string" || typeof value === "bigint") return value
  if (value instanceof Date) return value.getTime()
  const kind = value === null ? "null" : typeof value
  throw new TypeError(`rows are ordered by a string, number, bigint or Date, not by a value of type ${kind}`)
}

export function compareSortKeys(left: SortKey, right: SortKey): number {
  const isText = typeof left === "string"
  if (isText !== (typeof right === "string")) return isText ? 1 : -1
  if (left < right) return -1
  if (left > right) return 1
  // Equal, or one of them is not a number.
  return Number(right !== right) - Number(left !== left)
}

/** A number in the order of sort keys, equal where it cannot tell: numbers as they are, strings by their first letters. */
export function abbreviated(sortKey: SortKey): number {
  if (typeof sortKey === "string") {
    const unit = (index: number): number => (index < sortKey.length ? sortKey.charCodeAt(index) : 0)
    return NUMBER_MAX * (2 + (unit(0) * 2 ** 32 + unit(1) * 2 ** 16 + unit(2)) / 2 ** 48)
  }
  const number = Number(sortKey)
  if (number !== number) return -2 * NUMBER_MAX
  return Math.min(NUMBER_MAX, Math.max(-NUMBER_MAX, number))
}

function singleOrder(by: OrderPart["by"], sign: number): RowOrder {
  return {
    sortKeyOf: (value, key) => sortKeyFrom(by(value, key)),
    abbreviate: (sortKey) => abbreviated(sortKey as SortKey) * sign,
    compare: (left, right) => {
      const order = compareSortKeys(left.sortKey as SortKey, right.sortKey as SortKey)
      return order === 0 ? compareKeys(left, right) : order * sign
    },
  }
}

function compareKeys(left: Ordered, right: Ordered): number {
  if (left.key === right.key) return 0
  return left.key < right.key ? -1 : 1
}

function signOf({ direction }: OrderPart): number {
  return direction === "descending" ? -1 : 1
}
