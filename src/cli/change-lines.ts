// One change as one line of JSON, the form that dump writes and load reads: {"table","key","value"}, with "lsn" where it
// comes from the log, and "deleted" in place of "value" where the key was removed.

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
}

const FIELDS = ["table", "key", "value", "deleted", "lsn", "timeMs"]

export function putLine(table: string, key: string, value: unknown, place: object = {}): string {
  return JSON.stringify({ ...place, table, key, value: toJsonForm(value) })
}

export function deleteLine(table: string, key: string, place: object): string {
  return JSON.stringify({ ...place, table, key, deleted: true })
}

/** The change of a line. `table`: where the line names none, or, for all lines, another. Fails with: CommandFailure. */
export function parseLine(text: string, table: string | undefined): LineChange {
  const line = parseJson(text)
  if (typeof line !== "object" || line === null || Array.isArray(line)) return refuse("is no object")
  const fields = line as { readonly [name: string]: Json }
  const unknown = Object.keys(fields).find((name) => !FIELDS.includes(name))
  if (unknown !== undefined) return refuse(`has the field ${JSON.stringify(unknown)}`)
  const { key, value, deleted } = fields
  const name = table ?? fields["table"]
  if (typeof name !== "string" || name === "") return refuse("names no table")
  if (typeof key !== "string") return refuse("has no key")
  if ((value === undefined) === (deleted === undefined)) return refuse('needs one of "value" and "deleted"')
  if (deleted !== undefined && deleted !== true) return refuse('has a "deleted" that is not true')
  return { table: name, key, isDelete: deleted === true, value: value === undefined ? undefined : fromJsonForm(value) }
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
