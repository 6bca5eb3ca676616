// What users ask of live queries: checked, and made into operators.

import type { IndexPart } from "../streams/index-part.ts"
import { JoinStage, TableStage } from "../streams/live-stage.ts"
import type { JoinOptions, JoinedKeys } from "../streams/live-join.ts"
import type { OrderBy } from "../streams/live-order.ts"
import { LiveQuery } from "../streams/live-query.ts"
import { LiveWatch } from "../streams/live-watch.ts"
import type { WindowOptions } from "../streams/live-window.ts"
import { PART_OPTIONS } from "./followed-index.ts"
import type { LiveQueries } from "./live-queries.ts"
import { integer, record, show } from "./option-checks.ts"

/** Functions are called with values that others share, more than once for a row: they must be pure. */
interface WindowRequest<Value, Row> {
  /** Only rows for which it says so. Default: all. */
  readonly where?: (value: Value, key: string) => boolean
  /** Rows that are equal by it stand in the order of their keys. Default: the order of the index, or of the keys. */
  readonly orderBy?: OrderBy<Value>
  /** Rows from the beginning that are left out. Default 0. */
  readonly offset?: number
  /** Rows in the result at most. Default: all. */
  readonly limit?: number
  /** What users see of a row. Where it is equal to what it was, one level deep, the row stays the same object. */
  readonly select?: (value: Value, key: string) => Row
}

export interface LiveOptions<Value = unknown, Row = Value> extends WindowRequest<Value, Row> {
  /** Only keys that begin with it. Default: all. */
  readonly prefix?: string
}

export interface LiveJoinOptions<Left = unknown, Right = unknown, Row = unknown> {
  /** The key in the other table that a row names; undefined for none. */
  readonly on: (value: Left, key: string) => string | undefined
  /** The joined row. `right` is undefined only in a left join. */
  readonly select: (left: Left, right: Right, keys: JoinedKeys) => Row
  /** "inner" (default): only rows that find one in the other table; "left": all, with `right` undefined where there is none. */
  readonly type?: "inner" | "left"
  /** Only keys of this table that begin with it. Default: all. */
  readonly prefix?: string
  /** Only joined rows for which it says so. Default: all. */
  readonly where?: (row: Row, key: string) => boolean
  readonly orderBy?: OrderBy<Row>
  readonly offset?: number
  readonly limit?: number
}

const WINDOW_OPTIONS = ["where", "orderBy", "offset", "limit"]
const ROWS_MAX = 1_000_000_000

/** A query over a table. Throws a TypeError. */
export function liveQuery<Value, Row>(
  queries: LiveQueries,
  table: string,
  options: LiveOptions<Value, Row>,
): LiveQuery<Row> {
  const given = record("options", options, [...WINDOW_OPTIONS, ...PART_OPTIONS, "prefix", "select"])
  const part = partFrom(queries, table, given)
  const window = { ...windowFrom(given), part }
  const prefix = prefixFrom(given["prefix"])
  return queries.open(
    (host) =>
      new LiveQuery<Row>(
        host,
        [{ table, prefix, part }],
        (shown) => new TableStage(window, shown instanceof TableStage ? shown : undefined),
      ),
  )
}

/** A query over two tables. Throws a TypeError. */
export function liveJoin<Left, Right, Row>(
  queries: LiveQueries,
  left: string,
  right: string,
  options: LiveJoinOptions<Left, Right, Row>,
): LiveQuery<Row> {
  const given = record("options", options, [...WINDOW_OPTIONS, ...PART_OPTIONS, "prefix", "on", "select", "type"])
  const { on, select, type = "inner" } = options
  if (typeof on !== "function") throw new TypeError(`on must be a function, not ${show(on)}`)
  if (typeof select !== "function") throw new TypeError(`select must be a function, not ${show(select)}`)
  if (type !== "inner" && type !== "left") throw new TypeError(`type must be "inner" or "left", not ${show(type)}`)
  const part = partFrom(queries, left, given)
  const join: JoinOptions = {
    part,
    // The caller's word for what the tables hold.
    on: on as JoinOptions["on"],
    select: select as JoinOptions["select"],
    isInner: type === "inner",
  }
  const window = windowFrom({ ...given, select: undefined })
  const sources = [
    { table: left, prefix: prefixFrom(given["prefix"]), part },
    { table: right, prefix: "" },
  ]
  return queries.open(
    (host) =>
      new LiveQuery<Row>(
        host,
        sources,
        (shown) => new JoinStage(join, window, shown instanceof JoinStage ? shown : undefined),
      ),
  )
}

/** A key, watched. */
export function liveWatch<Value>(queries: LiveQueries, table: string, key: string): LiveWatch<Value> {
  return queries.open((host) => new LiveWatch<Value>(host, table, key))
}

function partFrom(
  queries: LiveQueries,
  table: string,
  given: Readonly<Record<string, unknown>>,
): IndexPart | undefined {
  const { index, equals, range } = given
  if (index === undefined) {
    if (equals !== undefined || range !== undefined) throw new TypeError("equals and range ask for an index")
    return undefined
  }
  if (typeof index !== "string") throw new TypeError(`index must be the name of an index, not ${show(index)}`)
  return queries.follow(table, index).part(given)
}

function windowFrom(given: Readonly<Record<string, unknown>>): WindowOptions {
  const { where, orderBy, limit, select } = given
  for (const [name, work] of Object.entries({ where, select })) {
    if (work !== undefined && typeof work !== "function") {
      throw new TypeError(`${name} must be a function, not ${show(work)}`)
    }
  }
  return {
    where: where as WindowOptions["where"],
    select: select as WindowOptions["select"],
    orderBy: orderFrom(orderBy),
    offset: integer("offset", given["offset"], 0, 0, ROWS_MAX),
    limit: limit === undefined ? undefined : integer("limit", limit, 0, 1, ROWS_MAX),
  }
}

function orderFrom(value: unknown): OrderBy | undefined {
  if (value === undefined || typeof value === "function") return value as OrderBy | undefined
  if (!Array.isArray(value) || value.length === 0) {
    throw new TypeError(`orderBy must be a function or a list of { by, direction }, not ${show(value)}`)
  }
  for (const part of value as readonly unknown[]) {
    const { by, direction } = record("a part of orderBy", part, ["by", "direction"])
    if (typeof by !== "function") throw new TypeError(`orderBy's "by" must be a function, not ${show(by)}`)
    if (direction !== undefined && direction !== "ascending" && direction !== "descending") {
      throw new TypeError(`orderBy's direction must be "ascending" or "descending", not ${show(direction)}`)
    }
  }
  return value as OrderBy
}

function prefixFrom(value: unknown): string {
  if (value === undefined) return ""
  if (typeof value === "string" && value.isWellFormed()) return value
  throw new TypeError(`prefix must be a well-formed string, not ${show(value)}`)
}
