// What users say of an index, and what becomes of it: a name, a function from a value to its keys, and whether a key may be
// there more than once.

import { IndexConflict } from "../model/index-errors.ts"
import { INDEX_COUNT_MAX } from "../model/limits.ts"
import { LimitExceeded } from "../model/errors.ts"
import type { IndexKey } from "../table/index-key.ts"
import { isBoolean, optional, record, show } from "./option-checks.ts"

/** An index with one key a record. Where the function returns undefined or null, the record is not in the index. */
export interface SingleIndexDefinition<Value> {
  readonly of: (value: Value) => IndexKey | null | undefined
  readonly many?: false
  /** Whether a key may be there only once. Default false. */
  readonly unique?: boolean
  /** Definitions with the same version are the same, whatever their functions. Default: none; functions are compared. */
  readonly version?: string | number
}

/** An index with any number of keys a record, at most 1,000. */
export interface ManyIndexDefinition<Value> extends Omit<SingleIndexDefinition<Value>, "of" | "many"> {
  readonly many: true
  readonly of: (value: Value) => Iterable<IndexKey> | null | undefined
}

/**
 * An index: a function of the value, or an object that has one. The function must depend on its argument alone, must not
 * change it, and must be synchronous; what it throws refuses the write.
 */
export type IndexDefinition<Value> =
  | ((value: Value) => IndexKey | null | undefined)
  | SingleIndexDefinition<Value>
  | ManyIndexDefinition<Value>

/** Indexes by name. */
export type IndexDefinitions<Value> = Readonly<Record<string, IndexDefinition<Value>>>

/** Indexes of which nothing is known. */
export type AnyIndexes = Readonly<Record<string, unknown>>

/** The keys of an index, by its definition. */
export type KeyOfDefinition<Definition> = Definition extends { readonly many: true; readonly of: infer Of }
  ? Of extends (value: never) => infer Keys
    ? NonNullable<Keys> extends Iterable<infer Key>
      ? Extract<Key, IndexKey>
      : IndexKey
    : IndexKey
  : Definition extends { readonly of: (value: never) => infer Key }
    ? Extract<NonNullable<Key>, IndexKey>
    : Definition extends (value: never) => infer Key
      ? Extract<NonNullable<Key>, IndexKey>
      : IndexKey

/** The keys of indexes, by their names: of those that are defined, and of those that `unique` makes of fields. */
export type KeysOfIndexes<Value, Indexes, Unique extends string> = {
  readonly [Name in keyof Indexes]: KeyOfDefinition<Indexes[Name]>
} & (string extends Unique ? unknown : { readonly [Name in Unique]: KeyOfField<Value, Name> })

type KeyOfField<Value, Name> = Name extends keyof Value ? Extract<Value[Name], IndexKey> : IndexKey

/** Keys of indexes of which nothing is known. */
export type AnyKeys = Readonly<Record<string, IndexKey>>

/** An index, checked. */
export interface CheckedDefinition {
  readonly name: string
  readonly of: (value: unknown) => unknown
  readonly isMany: boolean
  readonly isUnique: boolean
  /** Equal for definitions that are the same; the function itself where no version is given. */
  readonly identity: unknown
}

const DEFINITION_NAMES = ["of", "many", "unique", "version"]

/** Checks what the options of a table say of its indexes. Throws a TypeError. */
export function definitionsFrom(indexes: unknown, unique: unknown): readonly CheckedDefinition[] {
  const definitions = new Map<string, CheckedDefinition>()
  if (indexes !== undefined) {
    if (typeof indexes !== "object" || indexes === null || Array.isArray(indexes)) {
      throw new TypeError(`indexes must be an object of definitions by name, not ${show(indexes)}`)
    }
    for (const [name, definition] of Object.entries(indexes)) definitions.set(name, definitionFrom(name, definition))
  }
  if (unique !== undefined) {
    if (!Array.isArray(unique)) throw new TypeError(`unique must be an array of names, not ${show(unique)}`)
    for (const name of unique) {
      checkIndexName(name)
      const defined = definitions.get(name)
      if (defined === undefined) definitions.set(name, fieldIndex(name))
      else definitions.set(name, { ...defined, isUnique: true })
    }
  }
  return [...definitions.values()]
}

/** Checks one definition. Throws a TypeError. */
export function definitionFrom(name: unknown, definition: unknown): CheckedDefinition {
  checkIndexName(name)
  if (typeof definition === "function") {
    return { name, of: definition as CheckedDefinition["of"], isMany: false, isUnique: false, identity: definition }
  }
  const what = `the index "${name}"`
  const { of, many, unique, version } = record(what, definition, DEFINITION_NAMES)
  if (typeof of !== "function") throw new TypeError(`${what} must have a function "of", not ${show(of)}`)
  if (version !== undefined && typeof version !== "string" && typeof version !== "number") {
    throw new TypeError(`the version of ${what} must be a string or a number, not ${show(version)}`)
  }
  return {
    name,
    of: of as CheckedDefinition["of"],
    isMany: optional(`many of ${what}`, many, "boolean", isBoolean) ?? false,
    isUnique: optional(`unique of ${what}`, unique, "boolean", isBoolean) ?? false,
    identity: version === undefined ? of : `version ${typeof version} ${version}`,
  }
}

/** Fails with: IndexConflict where the two are not the same. */
export function requireSame(table: string, known: CheckedDefinition, other: CheckedDefinition): void {
  const isSame = known.identity === other.identity && known.isMany === other.isMany && known.isUnique === other.isUnique
  if (!isSame) throw new IndexConflict(table, known.name)
}

/** Fails with: LimitExceeded. */
export function requireFew(table: string, count: number): void {
  if (count <= INDEX_COUNT_MAX) return
  throw new LimitExceeded(`the number of indexes of table "${table}"`, INDEX_COUNT_MAX, count, "Drop those of no use")
}

/** An index of the field with its name. */
function fieldIndex(name: string): CheckedDefinition {
  const of = (value: unknown): unknown =>
    typeof value === "object" && value !== null ? (value as Readonly<Record<string, unknown>>)[name] : undefined
  return { name, of, isMany: false, isUnique: true, identity: "the field of that name" }
}

function checkIndexName(name: unknown): asserts name is string {
  if (typeof name !== "string" || name === "") {
    throw new TypeError(`the name of an index must be a string that is not empty, not ${show(name)}`)
  }
}
