// One change as one line of JSON, the form that dump writes and load reads: {"table","key","value"}, with "lsn" where it
// comes from the log, and "deleted" in place of "value" where the key was removed. docs/operations.md has its versions.
// Guarantees: a line that says more than is understood here is refused, and never read in part.

import { isSystemTable } from "../model/system-tables.ts"
import { CommandFailure } from "./failure.ts"
import { fromJsonForm } from "./json-form-reader.ts"
import { toJsonForm } from "./json-form-writer.ts"
import type { Json } from "./json-form.ts"

/** What a line says is to be done. */
export interface LineChange {
  readonly table: string
  readonly key: string
  readonly isDelete: boolean
  readonly value: unknown
  /** When the key expires, in milliseconds since 1970. Undefined: never. */
  readonly expiresAtMs: number | undefined
}

/** Of lines that have a deadline; all others are of format 1, and do not say so. */
const FORMAT_WITH_DEADLINES = 2
const FIELDS = ["format", "table", "key", "value", "expiresAt", "deleted", "lsn", "timeMs"]

export function putLine(table: string, key: string, value: unknown, place: object = {}): string {
  return JSON.stringify({ ...place, table, key, value: toJsonForm(value) })
}

export function expiringLine(table: string, key: string, value: unknown, expiresAt: Date): string {
  return JSON.stringify({ format: FORMAT_WITH_DEADLINES, table, key, value: toJsonForm(value), expiresAt })
}

export function deleteLine(table: string, key: string, place: object): string {
  return JSON.stringify({ ...place, table, key, deleted: true })
}

/** The change of a line. `table`: where the line names none, or, for all lines, another. Fails with: CommandFailure. */
export function parseLine(text: string, table: string | undefined): LineChange {
  const line = parseJson(text)
  if (typeof line !== "object" || line === null || Array.isArray(line)) return refuse("is no object")
  const fields = line as { readonly [name: string]: Json }
  const { format = 1 } = fields
  if (format !== 1 && format !== FORMAT_WITH_DEADLINES) {
    return refuse(`is of format ${JSON.stringify(format)}; this version knows up to ${FORMAT_WITH_DEADLINES}`)
  }
  const unknown = Object.keys(fields).find((name) => !FIELDS.includes(name))
  if (unknown !== undefined) return refuse(`has the field ${JSON.stringify(unknown)}`)
  const { key, value, deleted } = fields
  const name = table ?? fields["table"]
  if (typeof name !== "string" || name === "") return refuse("names no table")
  if (isSystemTable(name)) return refuse(`names ${JSON.stringify(name)}, a table of the engine's own`)
  if (typeof key !== "string") return refuse("has no key")
  if ((value === undefined) === (deleted === undefined)) return refuse('needs one of "value" and "deleted"')
  if (deleted !== undefined && deleted !== true) return refuse('has a "deleted" that is not true')
  const expiresAtMs = deadlineOf(fields)
  const isDelete = deleted === true
  return { table: name, key, isDelete, value: value === undefined ? undefined : fromJsonForm(value), expiresAtMs }
}

function deadlineOf({ expiresAt, format, deleted }: { readonly [name: string]: Json }): number | undefined {
  if (expiresAt === undefined) return undefined
  if (format !== FORMAT_WITH_DEADLINES) return refuse(`has "expiresAt" and not "format":${FORMAT_WITH_DEADLINES}`)
  if (deleted !== undefined) return refuse('has both "deleted" and "expiresAt"')
  const atMs = typeof expiresAt === "string" ? Date.parse(expiresAt) : Number.NaN
  // What is written is read, and nothing that Date.parse only guesses at.
  if (Number.isNaN(atMs) || new Date(atMs).toISOString() !== expiresAt) {
    return refuse('has an "expiresAt" that is no time such as "2026-11-21T10:00:00.000Z"')
  }
  return atMs
}

function parseJson(text: string): Json {
  try {
    return JSON.parse(text) as Json
  } catch (error) {
    return refuse(`is not JSON: ${error instanceof Error ? error.message : String(error)}`)
  }
}

function refuse(reason: string): never {
  const remedy = 'Write it as {"table":"…","key":"…","value":…}; see docs/operations.md'
  throw new CommandFailure("LINE_REFUSED", `the line ${reason}`, remedy)
}
