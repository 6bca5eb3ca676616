// Keys of secondary indexes as bytes whose order is the order of the keys: booleans, numbers, bigints, dates, strings, and
// each kind ordered within itself, strings by their code points. No encoding is the beginning of another one, so whatever
// follows it does not disturb the order (as in FoundationDB's tuple layer). In memory only: nothing on disk is encoded so.
//
//   boolean  10 | 00 or 01
//   number   20 | float64, big-endian; negative ones with all bits turned, others with the first one
//   bigint   30 | 8000 + size or 7fff - size | size bytes, big-endian, turned for negative ones
//   Date     40 | its milliseconds, as a number
//   string   50 | UTF-8, with 00 as 01 01 and 01 as 01 02 | 00

import { INDEX_KEY_SIZE_MAX } from "../model/limits.ts"

/** What an index can be ordered by. */
export type IndexKey = string | number | bigint | boolean | Date

const TAG_BOOLEAN = 0x10
const TAG_NUMBER = 0x20
const TAG_BIGINT = 0x30
const TAG_DATE = 0x40
const TAG_STRING = 0x50
const STRING_END = 0x00
const ESCAPE = 0x01

// One number seen as words, least significant first; never held across a call.
const float64 = new Float64Array(1)
const float64Words = new Uint32Array(float64.buffer)

/** The index has no place for the key, or it is not kept exactly; `indexKeyFault` says why. */
const REFUSED = -1

/**
 * Writes a key at a position. Returns where it ends, or -1 where it is no key of an index.
 * Requires: room for INDEX_KEY_SIZE_MAX bytes.
 */
export function encodeIndexKey(key: unknown, target: Buffer, at: number): number {
  if (typeof key === "string") return writeText(key, target, at)
  if (typeof key === "number") return key === key ? writeNumber(TAG_NUMBER, key, target, at) : REFUSED
  if (typeof key === "boolean") {
    target[at] = TAG_BOOLEAN
    target[at + 1] = Number(key)
    return at + 2
  }
  if (typeof key === "bigint") return writeBigint(key, target, at)
  if (!(key instanceof Date)) return REFUSED
  const timeMs = key.getTime()
  return timeMs === timeMs ? writeNumber(TAG_DATE, timeMs, target, at) : REFUSED
}

/** The key at a position. Requires: it was written there. */
export function decodeIndexKey(source: Buffer, at: number, end: number): IndexKey {
  const tag = source[at]
  if (tag === TAG_STRING) return readText(source, at + 1, end - 1)
  if (tag === TAG_NUMBER) return readNumber(source, at + 1)
  if (tag === TAG_DATE) return new Date(readNumber(source, at + 1))
  return tag === TAG_BIGINT ? readBigint(source, at + 1) : source[at + 1] === 1
}

/** Why a value is no key of an index. Requires: `encodeIndexKey` has refused it. */
export function indexKeyFault(key: unknown): string {
  if (typeof key === "string") {
    return key.isWellFormed()
      ? `a text of more than ${INDEX_KEY_SIZE_MAX} bytes`
      : "a text with a lone surrogate, which has no place in the order"
  }
  if (typeof key === "bigint") return `a bigint of more than ${INDEX_KEY_SIZE_MAX} bytes`
  if (typeof key === "number") return "NaN, which has no place in the order"
  if (key instanceof Date) return "an invalid Date"
  if (Array.isArray(key)) return "an array, which only an index with many: true takes"
  return key === null ? "null" : `a value of type ${typeof key}`
}

/** The first byte string behind all those that begin with this one. Requires: not all of its bytes are ff. */
export function behindPrefix(bytes: Buffer): Buffer {
  let size = bytes.length
  while (bytes[size - 1] === 0xff) size--
  const next = Buffer.from(bytes.subarray(0, size))
  next[size - 1] = (next[size - 1] as number) + 1
  return next
}

/** What the encodings of all keys of the same kind begin with. */
export function kindPrefix(encoded: Buffer): Buffer {
  return encoded.subarray(0, 1)
}

/** What the encodings of all strings that begin with `text` begin with. Requires: `text` can be encoded. */
export function textPrefix(encoded: Buffer): Buffer {
  return encoded.subarray(0, encoded.length - 1)
}

function writeNumber(tag: number, number: number, target: Buffer, at: number): number {
  // Adding zero makes -0 the 0 that it equals.
  float64[0] = number + 0
  const high = float64Words[1] as number
  const isNegative = high >>> 31 === 1
  const first = isNegative ? ~high : high ^ 0x8000_0000
  const second = isNegative ? ~(float64Words[0] as number) : (float64Words[0] as number)
  target[at] = tag
  target[at + 1] = first >>> 24
  target[at + 2] = first >>> 16
  target[at + 3] = first >>> 8
  target[at + 4] = first
  target[at + 5] = second >>> 24
  target[at + 6] = second >>> 16
  target[at + 7] = second >>> 8
  target[at + 8] = second
  return at + 9
}

function readNumber(source: Buffer, at: number): number {
  const first = source.readInt32BE(at)
  const second = source.readInt32BE(at + 4)
  const isNegative = first >= 0
  float64Words[1] = isNegative ? ~first : first ^ 0x8000_0000
  float64Words[0] = isNegative ? ~second : second
  return float64[0] as number
}

function writeBigint(number: bigint, target: Buffer, at: number): number {
  const isNegative = number < 0n
  const digits = (isNegative ? -number : number).toString(16)
  const size = (digits.length + 1) >>> 1
  if (size + 3 > INDEX_KEY_SIZE_MAX) return REFUSED
  target[at] = TAG_BIGINT
  target.writeUInt16BE(isNegative ? 0x7fff - size : 0x8000 + size, at + 1)
  target.write(digits.padStart(size * 2, "0"), at + 3, "hex")
  if (isNegative) turn(target, at + 3, size)
  return at + 3 + size
}

function readBigint(source: Buffer, at: number): bigint {
  const head = source.readUInt16BE(at)
  const isNegative = head < 0x8000
  const size = isNegative ? 0x7fff - head : head - 0x8000
  const bytes = Buffer.from(source.subarray(at + 2, at + 2 + size))
  if (isNegative) turn(bytes, 0, size)
  const number = BigInt(`0x${bytes.toString("hex")}`)
  return isNegative ? -number : number
}

function turn(bytes: Buffer, at: number, size: number): void {
  for (let index = at; index < at + size; index++) bytes[index] = ~(bytes[index] as number)
}

function writeText(text: string, target: Buffer, at: number): number {
  const size = text.length
  if (size + 2 > INDEX_KEY_SIZE_MAX) return REFUSED
  target[at] = TAG_STRING
  for (let index = 0; index < size; index++) {
    const unit = text.charCodeAt(index)
    if (unit > 0x7f || unit <= ESCAPE) return writeAnyText(text, target, at)
    target[at + 1 + index] = unit
  }
  target[at + 1 + size] = STRING_END
  return at + size + 2
}

/** A text beyond ASCII, or with bytes that have a meaning here. */
function writeAnyText(text: string, target: Buffer, at: number): number {
  if (!text.isWellFormed()) return REFUSED
  const bytes = Buffer.from(text)
  let end = at + 1
  for (const byte of bytes) {
    const isEscaped = byte <= ESCAPE
    if (end - at + (isEscaped ? 3 : 2) > INDEX_KEY_SIZE_MAX) return REFUSED
    if (isEscaped) {
      target[end++] = ESCAPE
      target[end++] = byte + 1
    } else target[end++] = byte
  }
  target[end++] = STRING_END
  return end
}

function readText(source: Buffer, at: number, end: number): string {
  const bytes = source.subarray(at, end)
  if (!bytes.includes(ESCAPE)) return source.utf8Slice(at, end)
  const plain: number[] = []
  for (let index = 0; index < bytes.length; index++) {
    const byte = bytes[index] as number
    plain.push(byte === ESCAPE ? (bytes[++index] as number) - 1 : byte)
  }
  return Buffer.from(plain).toString()
}
