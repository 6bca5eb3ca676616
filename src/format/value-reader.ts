// Reads one value, depth first, from bytes that nobody vouches for. Guarantees: ends with a value or ValueDamaged; looks
// only at bytes before the cursor's end; takes no more memory than a small multiple of the bytes read; runs no code from
// the bytes and none of the user's; properties are defined, never assigned, where a prototype could get in the way.

import { readU16, readU32 } from "./integers.ts"
import { constructorFor, setField } from "./shape-constructor.ts"
import { boxOf, dateOf, errorOf, readBinary, regExpOf } from "./value-builtin-reader.ts"
import { type ShapeReader, type ValueCursor } from "./value-cursor.ts"
import { readBigint, readBigint64, readCount, readFloat32, readFloat64, readInteger48 } from "./value-number.ts"
import {
  ERROR_HAS_CAUSE,
  ERROR_HAS_MESSAGE,
  ERROR_HAS_STACK,
  TAG_ARRAY,
  TAG_ARRAY_SHORT_END,
  TAG_BIGINT,
  TAG_BIGINT_64,
  TAG_BINARY,
  TAG_BOXED,
  TAG_DATE,
  TAG_ERROR,
  TAG_FALSE,
  TAG_FLOAT_32,
  TAG_FLOAT_64,
  TAG_HOLES,
  TAG_INTEGER_32,
  TAG_INTEGER_48,
  TAG_INTEGER_END,
  TAG_LATIN1_32,
  TAG_LATIN1_8,
  TAG_MAP,
  TAG_NEGATIVE_8,
  TAG_NULL,
  TAG_OBJECT,
  TAG_OBJECT_NULL,
  TAG_REFERENCE,
  TAG_REGEXP,
  TAG_SET,
  TAG_SHAPED_END,
  TAG_TEXT_SHORT_END,
  TAG_TRUE,
  TAG_UNDEFINED,
  TAG_UNSIGNED_16,
  TAG_UTF16_32,
  TAG_UTF8_32,
  TAG_UTF8_8,
  TEXT_SHORT_SIZE_MAX,
} from "./value-tags.ts"
import { readLatin1 } from "./value-text.ts"

/** Times a shape is read in a loop before a function is generated for it. */
const READS_BEFORE_CONSTRUCTOR = 8
/** The last index of an array. Whoever puts an element there makes the array a dictionary for good. */
const INDEX_MAX = 2 ** 32 - 2

type Fields = Record<string, unknown>

/** Reads the value that the cursor stands before. */
export function readValue(cursor: ValueCursor): unknown {
  const position = cursor.position
  if (position >= cursor.end) return cursor.damaged("the end instead of a value")
  const source = cursor.source
  const tag = source[position] as number
  cursor.position = position + 1
  if (tag < TAG_INTEGER_END) return tag
  if (tag < TAG_TEXT_SHORT_END) {
    const size = tag & TEXT_SHORT_SIZE_MAX
    return readLatin1(source, cursor.take(size), size)
  }
  if (tag < TAG_ARRAY_SHORT_END) return readArray(cursor, tag & 0x0f)
  if (tag < TAG_SHAPED_END) return readShaped(cursor, ((tag & 0x0f) << 8) | cursor.byte())
  switch (tag) {
    case TAG_UNDEFINED:
      return undefined
    case TAG_NULL:
      return null
    case TAG_FALSE:
      return false
    case TAG_TRUE:
      return true
    case TAG_NEGATIVE_8:
      return -1 - cursor.byte()
    case TAG_UNSIGNED_16:
      return readU16(source, cursor.take(2))
    case TAG_INTEGER_32:
      return readU32(source, cursor.take(4)) | 0
    case TAG_INTEGER_48:
      return readInteger48(source, cursor.take(6))
    case TAG_FLOAT_32:
      return readFloat32(source, cursor.take(4))
    case TAG_FLOAT_64:
      return readFloat64(source, cursor.take(8))
    default:
      return readLarge(cursor, tag)
  }
}

function readLarge(cursor: ValueCursor, tag: number): unknown {
  switch (tag) {
    case TAG_BIGINT_64:
      return readBigint64(cursor)
    case TAG_BIGINT:
      return readBigint(cursor)
    case TAG_LATIN1_8:
      return readLatin1Text(cursor, cursor.byte())
    case TAG_LATIN1_32:
      return readLatin1Text(cursor, readSize32(cursor))
    case TAG_UTF8_8:
      return readUtf8(cursor, cursor.byte())
    case TAG_UTF8_32:
      return readUtf8(cursor, readSize32(cursor))
    case TAG_UTF16_32:
      return readUtf16(cursor)
    case TAG_ARRAY:
      return readArray(cursor, readCount(cursor))
    case TAG_OBJECT:
      return readPairs(cursor, {})
    case TAG_OBJECT_NULL:
      return readPairs(cursor, Object.create(null) as Fields)
    case TAG_MAP:
      return readMap(cursor)
    case TAG_SET:
      return readSet(cursor)
    case TAG_DATE:
      return cursor.met(dateOf(cursor, readPrimitive(cursor)))
    case TAG_REGEXP:
      return cursor.met(regExpOf(cursor, readString(cursor), readString(cursor)))
    case TAG_BINARY:
      return cursor.met(readBinary(cursor))
    case TAG_BOXED:
      return cursor.met(boxOf(cursor, readPrimitive(cursor)))
    case TAG_ERROR:
      return readError(cursor)
    case TAG_REFERENCE:
      return readReference(cursor)
    default:
      cursor.position--
      return cursor.damaged(`the unknown tag ${tag}`)
  }
}

/** A value that is no object. Peeks first: tags of objects that nest without a depth would overflow the stack. */
function readPrimitive(cursor: ValueCursor): unknown {
  const tag = cursor.position < cursor.end ? (cursor.source[cursor.position] as number) : TAG_ARRAY
  if (tag < TAG_TEXT_SHORT_END || (tag >= TAG_UNDEFINED && tag < TAG_ARRAY)) return readValue(cursor)
  return cursor.damaged("something else than a simple value")
}

function readString(cursor: ValueCursor): string {
  const value = readPrimitive(cursor)
  return typeof value === "string" ? value : cursor.damaged("something else than a string")
}

function readSize32(cursor: ValueCursor): number {
  return readU32(cursor.source, cursor.take(4))
}

function readLatin1Text(cursor: ValueCursor, size: number): string {
  const start = cursor.take(size)
  return cursor.source.latin1Slice(start, start + size)
}

function readUtf8(cursor: ValueCursor, size: number): string {
  const start = cursor.take(size)
  return cursor.source.utf8Slice(start, start + size)
}

function readUtf16(cursor: ValueCursor): string {
  const size = readSize32(cursor)
  if (size % 2 !== 0) return cursor.damaged("half a character")
  const start = cursor.take(size)
  return cursor.source.ucs2Slice(start, start + size)
}

function readShaped(cursor: ValueCursor, id: number): object {
  let reader = cursor.shapeReaders[id]
  if (reader === undefined || reader.fields !== cursor.shapes.fieldsOf(id)) reader = findShape(cursor, id)
  cursor.enter()
  const construct = cursor.objects === undefined ? reader.construct : undefined
  const object = construct === undefined ? readFields(cursor, reader) : construct(cursor)
  cursor.leave()
  return object
}

function findShape(cursor: ValueCursor, id: number): ShapeReader {
  const fields = cursor.shapes.fieldsOf(id)
  if (fields === undefined) return cursor.damaged(`the shape ${id}, which is not defined`)
  while (cursor.shapeReaders.length < id) cursor.shapeReaders.push(undefined)
  const reader: ShapeReader = { fields, readCount: 0, construct: undefined }
  cursor.shapeReaders[id] = reader
  return reader
}

/** An object of a shape that is still rarely read, or that references may lead to: those need it before its fields. */
function readFields(cursor: ValueCursor, reader: ShapeReader): object {
  const object: Fields = cursor.met({})
  reader.readCount++
  if (reader.readCount !== READS_BEFORE_CONSTRUCTOR) {
    for (const field of reader.fields) setField(object, field, readValue(cursor))
    return object
  }
  const tags: number[] = []
  for (const field of reader.fields) {
    // Past the end there is no tag, and readValue says so.
    tags.push(cursor.source[cursor.position] as number)
    setField(object, field, readValue(cursor))
  }
  reader.construct = constructorFor(reader.fields, tags, readValue)
  return object
}

function readPairs(cursor: ValueCursor, object: Fields): object {
  cursor.enter()
  cursor.met(object)
  const count = readCount(cursor)
  for (let index = 0; index < count; index++) setField(object, readString(cursor), readValue(cursor))
  cursor.leave()
  return object
}

function readArray(cursor: ValueCursor, length: number): unknown[] {
  cursor.enter()
  const array: unknown[] = cursor.met([])
  let isSparse = false
  let index = 0
  while (index < length) {
    if (cursor.source[cursor.position] === TAG_HOLES && cursor.position < cursor.end) {
      cursor.position++
      const count = readCount(cursor)
      if (count === 0 || count > length - index) return cursor.damaged(`${count} holes in an array of ${length}`)
      if (!isSparse && !cursor.mayBeDense(count)) {
        makeSparse(array)
        isSparse = true
      }
      index += count
      array.length = index
    } else {
      array[index] = readValue(cursor)
      index++
    }
  }
  cursor.leave()
  return array
}

/** Makes an array keep its elements in a dictionary from now on, so that holes take no memory. */
function makeSparse(array: unknown[]): void {
  const { length } = array
  array[INDEX_MAX] = undefined
  Reflect.deleteProperty(array, INDEX_MAX)
  array.length = length
}

function readMap(cursor: ValueCursor): Map<unknown, unknown> {
  cursor.enter()
  const map = cursor.met(new Map<unknown, unknown>())
  const count = readCount(cursor)
  for (let index = 0; index < count; index++) map.set(readValue(cursor), readValue(cursor))
  cursor.leave()
  return map
}

function readSet(cursor: ValueCursor): Set<unknown> {
  cursor.enter()
  const set = cursor.met(new Set<unknown>())
  const count = readCount(cursor)
  for (let index = 0; index < count; index++) set.add(readValue(cursor))
  cursor.leave()
  return set
}

function readError(cursor: ValueCursor): Error {
  cursor.enter()
  const type = cursor.byte()
  const message = (type & ERROR_HAS_MESSAGE) === 0 ? undefined : readString(cursor)
  const stack = (type & ERROR_HAS_STACK) === 0 ? undefined : readString(cursor)
  const error = cursor.met(errorOf(cursor, type, message, stack))
  if ((type & ERROR_HAS_CAUSE) !== 0) {
    Object.defineProperty(error, "cause", {
      value: readValue(cursor),
      writable: true,
      enumerable: false,
      configurable: true,
    })
  }
  cursor.leave()
  return error
}

function readReference(cursor: ValueCursor): object {
  if (cursor.objects === undefined) return cursor.damaged("a reference in a value without")
  const object = cursor.objects[readCount(cursor)]
  return object ?? cursor.damaged("a reference to an object that did not come before")
}
