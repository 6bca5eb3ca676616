// Takes 'define table' and 'define shape' records into a catalogue, where they can be believed: a definition that is none,
// or contradicts what is known, is told and not taken. For definitions that nobody vouches for but their bytes: those of a
// checkpoint, and those that verify and salvage meet.

import {
  KIND_DEFINE_SHAPE,
  KIND_DEFINE_TABLE,
  RECORD_HEADER_SIZE,
  RECORD_KIND,
  recordSizeWithin,
} from "../format/record.ts"
import type { RecordBuffer } from "../format/record.ts"
import { decodeShapeFields } from "../format/shape-registry.ts"
import { damageOf } from "../format/value-damaged.ts"
import { SHAPE_COUNT_MAX, TABLE_COUNT_MAX, TABLE_NAME_SIZE_MAX } from "../model/limits.ts"
import type { Catalogue } from "./catalogue.ts"

/** Takes every record between two offsets. Returns what is wrong with the first that is not taken. */
export function takeDefinitions(
  catalogue: Catalogue,
  buffer: RecordBuffer,
  start: number,
  end: number,
): string | undefined {
  for (let at = start; at < end;) {
    const size = recordSizeWithin(buffer, at, end)
    if (size === undefined) return "records do not fill their block"
    const kind = buffer.bytes[at + RECORD_KIND]
    if (kind !== KIND_DEFINE_TABLE && kind !== KIND_DEFINE_SHAPE) return `kind ${kind} among the definitions`
    const problem = takeDefinition(catalogue, buffer, at)
    if (problem !== undefined) return problem
    at += size
  }
  return undefined
}

/** Takes a record of one of the two kinds, which lies in the buffer whole. Returns what is wrong with it. */
export function takeDefinition(catalogue: Catalogue, { bytes, words }: RecordBuffer, at: number): string | undefined {
  const word = at >>> 2
  const id = words[word + 3] as number
  const keyStart = at + RECORD_HEADER_SIZE
  const keyEnd = keyStart + ((words[word + 2] as number) & 0xffff)
  const valueEnd = keyEnd + (words[word + 1] as number)
  if (bytes[at + RECORD_KIND] === KIND_DEFINE_TABLE) {
    return valueEnd > keyEnd ? "a table with a value" : takeTable(catalogue, bytes, id, keyStart, keyEnd)
  }
  return keyEnd > keyStart ? "a shape with a key" : takeShape(catalogue, bytes, id, keyEnd, valueEnd)
}

/** Whether two lists of names are the same. */
export function isSameList(left: readonly string[], right: readonly string[]): boolean {
  return left.length === right.length && left.every((field, index) => field === right[index])
}

function takeTable(
  catalogue: Catalogue,
  bytes: Buffer,
  id: number,
  nameStart: number,
  nameEnd: number,
): string | undefined {
  const size = nameEnd - nameStart
  if (size < 1 || size > TABLE_NAME_SIZE_MAX) return `a table name of ${size} bytes`
  if (id < 1 || id > TABLE_COUNT_MAX) return `a table of number ${id}`
  const name = bytes.utf8Slice(nameStart, nameEnd)
  if (Buffer.byteLength(name) !== size) return "a table name that is not UTF-8"
  const entry = catalogue.entry(name)
  const known = catalogue.byId(id)
  if (known !== undefined && known !== entry) return `the table ${id} is defined again, under another name`
  if (entry.id !== 0 && entry.id !== id) return `a table is defined again, under the number ${id}`
  catalogue.define(id, name)
  return undefined
}

function takeShape(catalogue: Catalogue, bytes: Buffer, id: number, start: number, end: number): string | undefined {
  if (id >= SHAPE_COUNT_MAX) return `a shape of number ${id}`
  try {
    const fields = decodeShapeFields(bytes, start, end)
    const { shapes } = catalogue
    const known = shapes.fieldsOf(id)
    if (known !== undefined && !isSameList(known, fields)) return `the shape ${id} is defined again, with other fields`
    shapes.define(id, fields)
    return undefined
  } catch (error) {
    return damageOf(error)
  }
}
