// The words of live queries: rows, what happens to them, and the functions that a user gives. A result is a list of rows;
// deltas turn one result into the next (in the terms of incremental view maintenance, a z-set: a leave has weight -1, an
// enter +1, a change or a move both).

/** A row of a result. The same object as long as the row does not change. */
export interface LiveRow<Value = unknown> {
  readonly key: string
  readonly value: Value
}

/** What happened to a row of the result. Indexes hold at the moment at which the delta is applied, in order. */
export type LiveDelta<Value = unknown> =
  | { readonly type: "enter"; readonly key: string; readonly value: Value; readonly index: number }
  | { readonly type: "leave"; readonly key: string; readonly value: Value; readonly index: number }
  | {
      readonly type: "change"
      readonly key: string
      readonly value: Value
      readonly before: Value
      readonly index: number
    }
  | {
      readonly type: "move"
      readonly key: string
      readonly value: Value
      readonly before: Value
      /** Where it was, and where it is once it was taken out there. */
      readonly from: number
      readonly index: number
    }

/** The deltas from one result to a later one. */
export interface LiveDeltas<Value = unknown> {
  /** The commit behind which the later result holds. */
  readonly lsn: number
  readonly deltas: readonly LiveDelta<Value>[]
}

/** A row of a table, or that there is none any more. */
export interface SourceChange {
  /** Which of the query's sources: 0, for a join 0 or 1. */
  readonly source: number
  readonly key: string
  readonly isThere: boolean
  readonly value: unknown
  /** The commit that wrote it. */
  readonly version: number
}

/**
 * The result after the deltas, applied in order to the one before. Throws a RangeError where they do not fit.
 *
 * @example
 * let rows = []
 * for await (const { deltas } of query.deltas()) rows = applyDeltas(rows, deltas)
 */
export function applyDeltas<Value>(
  rows: readonly LiveRow<Value>[],
  deltas: readonly LiveDelta<Value>[],
): LiveRow<Value>[] {
  const result = [...rows]
  for (const delta of deltas) {
    const row = { key: delta.key, value: delta.value }
    switch (delta.type) {
      case "enter":
        if (delta.index > result.length) throw misfit(delta)
        result.splice(delta.index, 0, row)
        break
      case "leave":
        if (result[delta.index]?.key !== delta.key) throw misfit(delta)
        result.splice(delta.index, 1)
        break
      case "change":
        if (result[delta.index]?.key !== delta.key) throw misfit(delta)
        result[delta.index] = row
        break
      case "move":
        if (result[delta.from]?.key !== delta.key) throw misfit(delta)
        result.splice(delta.from, 1)
        result.splice(delta.index, 0, row)
        break
    }
  }
  return result
}

/** The result before the deltas, from the one after them. */
export function revertDeltas<Value>(
  rows: readonly LiveRow<Value>[],
  deltas: readonly LiveDelta<Value>[],
): LiveRow<Value>[] {
  const result = [...rows]
  for (let at = deltas.length - 1; at >= 0; at--) {
    const delta = deltas[at] as LiveDelta<Value>
    const { key, index } = delta
    switch (delta.type) {
      case "enter":
        result.splice(index, 1)
        break
      case "leave":
        result.splice(index, 0, { key, value: delta.value })
        break
      case "change":
        result[index] = { key, value: delta.before }
        break
      case "move":
        result.splice(index, 1)
        result.splice(delta.from, 0, { key, value: delta.before })
        break
    }
  }
  return result
}

function misfit({ type, key, index }: LiveDelta): RangeError {
  return new RangeError(`the delta "${type}" of "${key}" at ${index} does not belong to this result`)
}
