// Rows by `map`: each record of the sources gives some, and they go when the record changes or goes.
//
// Two kinds of notes are kept beside the rows, each only where it says more than the rows themselves:
//
//   given   by record: the keys that it gives. Left out where it gives nothing, or its own key and no other one claims
//           that: the ordinary case, in which a view costs one write for each change.
//   claims  by key of a row: the records that give it, with their rows where there are several. Left out where it is the
//           record of the first source that has the key itself.
//
// So the rows depend on the records as they are, and not on the order in which they came to be so.

import type { StoredRecords } from "./stored-records.ts"
import type { MapDefinition, SourceChange } from "./view-definition.ts"
import type { StagedTable } from "./view-stage.ts"

/** A record that gives a row: its source, by its place in `from`, its key, and the row where there are several claims. */
type Claim = readonly [source: number, key: string, row?: unknown]

/** What a record gives, each key once. */
export type Rows = readonly (readonly [string, unknown])[]

const NO_ROWS: Rows = []

export class MapRows {
  readonly #map: MapDefinition<unknown, unknown>["map"]
  readonly #rows: StagedTable
  readonly #claims: StagedTable
  readonly #given: readonly StagedTable[]
  /** Of the records that are taken in together: what they gave before, and who claims their rows. */
  readonly #foundGiven: StoredRecords
  readonly #foundClaims: StoredRecords
  /** Whether that was looked for. */
  #hasLooked = false

  /** `given`: one for each source. */
  constructor(
    map: MapDefinition<unknown, unknown>["map"],
    rows: StagedTable,
    claims: StagedTable,
    given: readonly StagedTable[],
    foundGiven: StoredRecords,
    foundClaims: StoredRecords,
  ) {
    this.#map = map
    this.#rows = rows
    this.#claims = claims
    this.#given = given
    this.#foundGiven = foundGiven
    this.#foundClaims = foundClaims
  }

  /** What a record, as it is now, or gone, is to give. Throws what the user's function throws. */
  rowsOf({ kind, table, key, value }: SourceChange<unknown>): Rows {
    return kind === "put" ? distinct(this.#map({ table, key, value })) : NO_ROWS
  }

  /** Whether nothing is noted anywhere, so that records of the source are taken in next without a look. */
  isAlone(source: number): boolean {
    this.#hasLooked = false
    const [given] = this.#given
    return source === 0 && given !== undefined && this.#isAllPlain(given)
  }

  /** These records of a source are taken in next, one by one, with these rows. */
  look(source: number, keys: readonly string[], rows: readonly Rows[]): void {
    const given = this.#given[source]
    this.#hasLooked = given !== undefined && !(source === 0 && this.#isAllPlain(given))
    if (given === undefined || !this.#hasLooked) return
    const claimed = keys.map((key, place) => claimedBy(key, rows[place] ?? NO_ROWS))
    try {
      given.look(this.#foundGiven, keys)
      this.#claims.look(this.#foundClaims, claimed)
    } catch {
      // One of the keys is none, or a shard is down: who takes that record in alone meets it, and can say which.
      this.#hasLooked = false
    }
  }

  /**
   * What a record gives from now on; each comes once. What it gave before is taken back. `place`: where its key stands among
   * those that were looked for.
   */
  set(source: number, key: string, rows: Rows, place: number): void {
    if (this.#isPlain(source, key, rows) || this.#isAsBefore(source, key, rows, place)) return
    const before = this.#keysOf(source, key)
    const after = rows.map(([row]) => row)
    const isGiven = isOneOf(after)
    for (const row of before) if (!isGiven(row)) this.#withdraw(source, key, row)
    for (const [row, content] of rows) this.#claim(source, key, row, content)
    this.#note(source, key, before, after)
  }

  /**
   * The ordinary case, done without a look at the rows: nothing is noted anywhere, so every row is that of the record with
   * its key, and this one gives that row or none.
   */
  #isPlain(source: number, key: string, rows: Rows): boolean {
    const [given] = this.#given
    if (source !== 0 || rows.length > 1 || given === undefined || !this.#isAllPlain(given)) return false
    return this.#isOwn(key, rows)
  }

  #isAllPlain(given: StagedTable): boolean {
    return given.isUntouched && this.#claims.isUntouched
  }

  /** Gives the row with its own key, or none. */
  #isOwn(key: string, rows: Rows): boolean {
    const [only] = rows
    if (only === undefined) this.#rows.appendDelete(key)
    else if (only[0] === key) this.#rows.append(key, only[1])
    else return false
    return true
  }

  /**
   * The ordinary case where something is noted, done without a look at the rows: the record gives the row that it gave, or
   * its own one or none as one without a note, and nobody else claims that. Only what is in the row changes.
   */
  #isAsBefore(source: number, key: string, rows: Rows, place: number): boolean {
    if (!this.#hasLooked || rows.length > 1) return false
    const row = claimedBy(key, rows)
    if (this.#given[source]?.isStaged(key) !== false || this.#claims.isStaged(row)) return false
    if (!this.#foundGiven.has(place)) {
      return source === 0 && row === key && !this.#foundClaims.has(place) && this.#isOwn(key, rows)
    }
    const [only] = rows
    if (only === undefined) return false
    const given = this.#foundGiven.value(place) as readonly string[]
    if (given.length > 1 || given[0] !== row) return false
    const claims = this.#foundClaims.value(place) as readonly Claim[] | undefined
    const [claim] = claims ?? []
    if (claims?.length !== 1 || claim === undefined || !isOf(claim, source, key)) return false
    this.#rows.append(row, only[1])
    return true
  }

  #keysOf(source: number, key: string): readonly string[] {
    const given = this.#given[source]?.get(key) as readonly string[] | undefined
    if (given !== undefined) return given
    return this.#isImplied(source, key) ? [key] : []
  }

  /** Whether the record gives its own key without a note of it. */
  #isImplied(source: number, key: string): boolean {
    return source === 0 && !this.#claims.has(key) && this.#rows.has(key)
  }

  #note(source: number, key: string, before: readonly string[], after: readonly string[]): void {
    const given = this.#given[source]
    if (given === undefined) return
    const isImplied = after.length === 1 && after[0] === key && this.#isImplied(source, key)
    if (after.length === 0 || isImplied) {
      if (given.has(key)) given.delete(key)
    } else if (!isSameList(before, after) || !given.has(key)) given.put(key, after)
  }

  #claim(source: number, key: string, row: string, content: unknown): void {
    const claims = this.#claimsOf(row)
    const others = claims.filter((claim) => !isOf(claim, source, key))
    if (others.length === 0) {
      this.#rows.put(row, content)
      // The row is its already, and noted as it should be.
      if (claims.length === 1) return
      if (source === 0 && key === row) this.#forget(row)
      else this.#claims.put(row, [[source, key]])
      return
    }
    const rowOfOther = this.#rows.get(row)
    const all: Claim[] = others.map(([of, id, kept]) => [
      of,
      id,
      others.length === 1 && kept === undefined ? rowOfOther : kept,
    ])
    all.push([source, key, content])
    for (const [of, id] of others) this.#spell(of, id, row)
    this.#put(row, all)
  }

  #withdraw(source: number, key: string, row: string): void {
    const claims = this.#claimsOf(row)
    const left = claims.filter((claim) => !isOf(claim, source, key))
    const [only] = left
    if (only === undefined) {
      this.#rows.delete(row)
      this.#forget(row)
    } else if (left.length > 1) {
      this.#put(row, left)
    } else {
      this.#rows.put(row, only[2])
      if (only[0] === 0 && only[1] === row) this.#forget(row)
      else this.#claims.put(row, [[only[0], only[1]]])
    }
  }

  /** Several claims: the first in order has the row. */
  #put(row: string, claims: Claim[]): void {
    claims.sort(inOrder)
    this.#claims.put(row, claims)
    this.#rows.put(row, claims[0]?.[2])
  }

  #claimsOf(row: string): readonly Claim[] {
    const claims = this.#claims.get(row) as readonly Claim[] | undefined
    if (claims !== undefined) return claims
    return this.#rows.has(row) ? [[0, row]] : []
  }

  #forget(row: string): void {
    if (this.#claims.has(row)) this.#claims.delete(row)
  }

  /** What a record gives is not to be seen from the rows any more: it is noted. */
  #spell(source: number, key: string, row: string): void {
    const given = this.#given[source]
    if (given !== undefined && !given.has(key)) given.put(key, [row])
  }
}

/** The row whose claims are asked for, of a record that gives one or none. */
function claimedBy(key: string, rows: Rows): string {
  return rows[0]?.[0] ?? key
}

/** The last row of each key. */
function distinct(rows: Iterable<readonly [string, unknown]>): Rows {
  const isShort = Array.isArray(rows) && rows.length < 2
  return isShort ? (rows as Rows) : [...new Map(rows)]
}

function isOneOf(rows: readonly string[]): (row: string) => boolean {
  if (rows.length < 2) return (row) => row === rows[0]
  const all = new Set(rows)
  return (row) => all.has(row)
}

function isOf(claim: Claim, source: number, key: string): boolean {
  return claim[0] === source && claim[1] === key
}

function inOrder(left: Claim, right: Claim): number {
  if (left[0] !== right[0]) return left[0] - right[0]
  return left[1] < right[1] ? -1 : 1
}

function isSameList(left: readonly string[], right: readonly string[]): boolean {
  return left.length === right.length && left.every((item, index) => item === right[index])
}
