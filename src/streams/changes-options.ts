// What a subscriber may ask for, and the checks of it.

import { KIND_DELETE, KIND_PUT } from "../format/record.ts"
import { LimitExceeded } from "../model/errors.ts"
import { KEY_SIZE_MAX, LSN_MAX, SUBSCRIBED_KEY_COUNT_MAX } from "../model/limits.ts"
import type { Catalogue } from "../table/catalogue.ts"
import type { Filter } from "./filter.ts"

/** What becomes of a subscriber for whom more is waiting than its buffer holds. */
export type Overflow = "catch-up" | "error" | "latest-per-key"

export interface TableChangesOptions {
  /**
   * Delivers what follows: this LSN, or cursor; "beginning": all that the log still holds; "now": what becomes durable
   * after the call. Default: "now". An LSN or a cursor that the log does not reach back to fails with CursorExpired.
   */
  readonly after?: number | string | undefined
  /** Only changes of keys that begin with this. Default: all keys. */
  readonly prefix?: string | undefined
  /** Only changes of exactly these keys; at most 100,000. Not together with `prefix`. Default: all keys. */
  readonly keys?: readonly string[] | undefined
  /** Only puts, or only deletes. Default: both. */
  readonly types?: readonly ("put" | "delete")[] | undefined
  /**
   * With each change the value before it, exactly. "now" is then the last commit made before the call. Going on from an
   * older position reads the state there first, and holds it in memory until it has caught up. Default: false.
   */
  readonly before?: boolean | undefined
  /**
   * Begins with the state behind the last commit, in pieces, and goes on with the commits behind it: nothing is missing,
   * nothing comes twice. With `after`, only where the position has expired, or is in the middle of a state.
   * Default: false.
   */
  readonly snapshot?: boolean | undefined
  /**
   * "durable": what is on stable storage. "applied": what reads see, sooner; where the log fails and takes delivered
   * commits back, the stream fails with AppliedCommitsLost. Default: "durable".
   */
  readonly visibility?: "durable" | "applied" | undefined
  /**
   * Of an iteration or a `readable` that is slow. "catch-up": it goes back to the log, and misses nothing. "error": it
   * fails with SubscriberOverflowed. "latest-per-key": what waits is merged into one commit that holds the last change of
   * each key; where that is too much as well, it goes back to the log. Default: "catch-up".
   */
  readonly overflow?: Overflow | undefined
  /** Commits that wait in memory for an iteration. Default: 1,024. */
  readonly bufferCommits?: number | undefined
  /** Bytes of them, not counting the last frame that was taken. Default: 16 MiB. */
  readonly bufferBytes?: number | undefined
  /** What `subscriptions()` calls it. Default: "changes". */
  readonly name?: string | undefined
  /** Ends the iteration, and observers, with its reason. */
  readonly signal?: AbortSignal | undefined
}

export interface ChangesOptions extends TableChangesOptions {
  /** Only changes of this table, which may be defined later. Default: of all tables. */
  readonly table?: string | undefined
}

export const CHANGES_OPTIONS: readonly string[] = [
  "after",
  "table",
  "prefix",
  "keys",
  "types",
  "before",
  "snapshot",
  "visibility",
  "overflow",
  "bufferCommits",
  "bufferBytes",
  "name",
  "signal",
]

/** How much is kept for a subscriber, and what happens beyond. */
export interface BufferBounds {
  readonly commits: number
  readonly bytes: number
  readonly overflow: Overflow
}

const BUFFER_COMMIT_COUNT_DEFAULT = 1_024
const BUFFER_SIZE_DEFAULT = 16 * 1024 * 1024
const OVERFLOWS: readonly Overflow[] = ["catch-up", "error", "latest-per-key"]

export function bufferBoundsOf({ bufferCommits, bufferBytes, overflow }: ChangesOptions): BufferBounds {
  if (overflow !== undefined && !OVERFLOWS.includes(overflow)) {
    throw new TypeError(`overflow must be one of "${OVERFLOWS.join('", "')}", not ${String(overflow)}`)
  }
  return {
    commits: countOf("bufferCommits", bufferCommits, BUFFER_COMMIT_COUNT_DEFAULT),
    bytes: countOf("bufferBytes", bufferBytes, BUFFER_SIZE_DEFAULT),
    overflow: overflow ?? "catch-up",
  }
}

/** Checks what is not checked where it is used. Throws a TypeError. */
export function checkChangesOptions({ after, before, snapshot, visibility, name, signal }: ChangesOptions): void {
  for (const [option, value] of Object.entries({ before, snapshot })) {
    if (value !== undefined && typeof value !== "boolean") throw new TypeError(`${option} must be true or false`)
  }
  if (visibility !== undefined && visibility !== "durable" && visibility !== "applied") {
    throw new TypeError(`visibility must be "durable" or "applied", not ${String(visibility)}`)
  }
  if (name !== undefined && typeof name !== "string") throw new TypeError("name must be a string")
  if (signal !== undefined && !(signal instanceof AbortSignal)) throw new TypeError("signal must be an AbortSignal")
  if (snapshot === true && after === "beginning") {
    throw new TypeError(`snapshot begins with the state of now: leave it out, or after: "beginning"`)
  }
  if (typeof after !== "number" && typeof after !== "string" && after !== undefined) {
    throw new TypeError(`after must be an LSN, a cursor, "beginning" or "now", not ${String(after)}`)
  }
  if (typeof after === "number" && !(Number.isSafeInteger(after) && after >= 0 && after <= LSN_MAX)) {
    throw new TypeError(`after must be a position in the log, a whole number from 0 on, not ${String(after)}`)
  }
}

export function filterOf({ table, prefix = "", keys, types }: ChangesOptions, catalogue: Catalogue): Filter {
  if (table !== undefined && typeof table !== "string") throw new TypeError("table must be a string")
  if (typeof prefix !== "string" || !prefix.isWellFormed()) throw new TypeError("prefix must be a well-formed string")
  const bytes = Buffer.from(prefix)
  if (bytes.length > KEY_SIZE_MAX) {
    throw new LimitExceeded("the prefix's size in bytes", KEY_SIZE_MAX, bytes.length, "No key is that long")
  }
  if (keys !== undefined && prefix !== "") throw new TypeError("prefix and keys exclude each other")
  return {
    table: table === undefined ? undefined : catalogue.entry(table),
    prefix: bytes,
    keys: keys === undefined ? undefined : keysOf(keys),
    kind: kindOf(types),
  }
}

/** Sorted and each once, so that those who want the same find each other. */
function keysOf(keys: readonly string[]): readonly string[] {
  if (!Array.isArray(keys) || keys.length === 0) throw new TypeError("keys must be an array that is not empty")
  if (keys.length > SUBSCRIBED_KEY_COUNT_MAX) {
    const remedy = "Subscribe to a prefix, or to the table"
    throw new LimitExceeded("the number of keys", SUBSCRIBED_KEY_COUNT_MAX, keys.length, remedy)
  }
  for (const key of keys) {
    if (typeof key !== "string" || !key.isWellFormed()) throw new TypeError("keys must be well-formed strings")
    const size = Buffer.byteLength(key)
    if (size > KEY_SIZE_MAX)
      throw new LimitExceeded("the key's size in bytes", KEY_SIZE_MAX, size, "No key is that long")
  }
  return [...new Set(keys)].sort((left, right) => (left < right ? -1 : 1))
}

function kindOf(types: ChangesOptions["types"]): Filter["kind"] {
  if (types === undefined) return undefined
  const wanted: unknown[] = Array.isArray(types) ? types : []
  const wantsPuts = wanted.includes("put")
  const wantsDeletes = wanted.includes("delete")
  if (wanted.length === 0 || wanted.some((type) => type !== "put" && type !== "delete")) {
    throw new TypeError(`types must be an array of "put", "delete" or both`)
  }
  if (wantsPuts && wantsDeletes) return undefined
  return wantsPuts ? KIND_PUT : KIND_DELETE
}

function countOf(name: string, value: number | undefined, fallback: number): number {
  if (value === undefined) return fallback
  if (Number.isSafeInteger(value) && value >= 1) return value
  throw new TypeError(`${name} must be a whole number from 1 on, not ${String(value)}`)
}
