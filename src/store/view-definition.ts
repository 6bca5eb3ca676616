// What a view is made of: where its rows come from, and by which functions. Pure: the same records give the same rows.

import { checkTableName } from "../model/system-tables.ts"
import { record, show } from "./option-checks.ts"
import { TableView } from "./table-view.ts"

/** A record of a source table, as it is. */
export interface SourceRecord<Value> {
  readonly table: string
  readonly key: string
  readonly value: Value
}

/** What happened to a record of a source table; the value is undefined for a delete. */
export interface SourceChange<Value> {
  readonly kind: "put" | "delete"
  readonly table: string
  readonly key: string
  readonly value: Value | undefined
}

/** Tables, by handles or by their names. */
export type ViewSource<Value> = TableView<Value> | readonly TableView<Value>[] | string | readonly string[]

interface Definition<Value> {
  /** The tables that it is made of; views among them are taken by their rows. */
  readonly from: ViewSource<Value>
  /** Another one has the view built anew: to be changed with the functions. Default 1. */
  readonly version?: number | string
}

/**
 * Rows for each record, and only as long as the record is as it is: what its former value gave is taken back. Where two
 * records give the same key, the row is that of the one that comes first, by table (in the order of `from`), then by key.
 */
export interface MapDefinition<Value, Row> extends Definition<Value> {
  readonly map: (record: SourceRecord<Value>) => Iterable<readonly [string, Row]>
}

/**
 * One row for each group that has records: `initial`, with the part of every record added. `add` and `remove` must undo
 * each other, and their order must not matter. A record in no group, for which `groupBy` gives undefined, does not count.
 */
export interface ReduceDefinition<Value, State, Part = Value> extends Definition<Value> {
  readonly groupBy: (record: SourceRecord<Value>) => string | undefined
  /** What of the record counts; it is kept, to be taken back. Default: its value. */
  readonly part?: (record: SourceRecord<Value>) => Part
  readonly initial: State
  readonly add: (state: State, part: Part) => State
  readonly remove: (state: State, part: Part) => State
}

/**
 * One row for each key: `initial`, and then what `fold` makes of it with each change, deletes too. What is there when the
 * view is built counts as put, in no order: what was before that is not known.
 */
export interface FoldDefinition<Value, State> extends Definition<Value> {
  readonly fold: (state: State, change: SourceChange<Value>) => State
  readonly initial: State
  /** The row that a change counts for; undefined: for none. Default: one row, with the empty key. */
  readonly key?: (change: SourceChange<Value>) => string | undefined
}

export type ViewKind = "map" | "reduce" | "fold"

/** A definition whose form was checked. */
export interface CheckedDefinition {
  readonly kind: ViewKind
  readonly from: readonly string[]
  /** Kind, version and sources as one text: what is built by another one is built anew. */
  readonly mark: string
  readonly version: number | string
  readonly functions:
    | MapDefinition<unknown, unknown>
    | ReduceDefinition<unknown, unknown, unknown>
    | FoldDefinition<unknown, unknown>
}

const NAMES: Readonly<Record<ViewKind, readonly string[]>> = {
  map: ["from", "version", "map"],
  reduce: ["from", "version", "groupBy", "part", "initial", "add", "remove"],
  fold: ["from", "version", "fold", "initial", "key"],
}
const NAME_SIZE_MAX = 200
const SOURCE_COUNT_MAX = 64

/** Throws a TypeError. */
export function checkViewName(name: unknown): asserts name is string {
  checkTableName(name)
  if (Buffer.byteLength(name) > NAME_SIZE_MAX) {
    throw new TypeError(`the name of a view must not be longer than ${NAME_SIZE_MAX} bytes`)
  }
}

/** Throws a TypeError that says what is wrong with it. */
export function definitionFrom(name: string, value: unknown): CheckedDefinition {
  const kind = kindOf(value)
  const given = record("the definition", value, NAMES[kind])
  for (const required of kind === "map" ? ["map"] : kind === "reduce" ? ["groupBy", "add", "remove"] : ["fold"]) {
    if (typeof given[required] !== "function")
      throw new TypeError(`${required} must be a function, not ${show(given[required])}`)
  }
  for (const allowed of ["part", "key"]) {
    if (given[allowed] !== undefined && typeof given[allowed] !== "function") {
      throw new TypeError(`${allowed} must be a function, not ${show(given[allowed])}`)
    }
  }
  if (kind !== "map" && !("initial" in given)) throw new TypeError(`a view with ${kind} needs its initial state`)
  const { version = 1 } = given
  if (typeof version !== "string" && !Number.isFinite(version)) {
    throw new TypeError(`version must be a number or a text, not ${show(version)}`)
  }
  const from = sourcesFrom(name, given["from"])
  const functions = value as CheckedDefinition["functions"]
  const mark = JSON.stringify([kind, version, from])
  return { kind, from, mark, version: version as number | string, functions }
}

function kindOf(value: unknown): ViewKind {
  const has = (name: string): boolean => typeof value === "object" && value !== null && name in value
  if (has("map")) return "map"
  if (has("groupBy")) return "reduce"
  if (has("fold")) return "fold"
  throw new TypeError("a view is defined by map, by groupBy with add and remove, or by fold")
}

function sourcesFrom(name: string, value: unknown): string[] {
  const list: readonly unknown[] = Array.isArray(value) ? value : [value]
  const from = list.map((source) => (source instanceof TableView ? source.name : source))
  for (const source of from) checkTableName(source)
  const names = from as string[]
  if (names.length === 0 || names.length > SOURCE_COUNT_MAX) {
    throw new TypeError(`from must name 1 to ${SOURCE_COUNT_MAX} tables`)
  }
  if (new Set(names).size < names.length) throw new TypeError("from names a table twice")
  if (names.includes(name)) throw new TypeError("a view cannot be made of its own rows")
  return names
}
