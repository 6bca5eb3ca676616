// Numbers, bigints and counts as bytes. Guarantees: each number has exactly one encoding, the first that fits in the
// order of the tags below; -0 and NaN survive, and every NaN becomes the same bytes. Writers do not check for room: a
// store past the end of the target is ignored, and the returned position shows that it did not fit.

import { readU16, readU32, writeU16, writeU32 } from "./integers.ts"
import { type ValueCursor } from "./value-cursor.ts"
import {
  TAG_BIGINT,
  TAG_BIGINT_64,
  TAG_FLOAT_32,
  TAG_FLOAT_64,
  TAG_INTEGER_32,
  TAG_INTEGER_48,
  TAG_INTEGER_END,
  TAG_NEGATIVE_8,
  TAG_UNSIGNED_16,
} from "./value-tags.ts"

const TWO_32 = 2 ** 32
const INTEGER_48_MAX = 2 ** 47 - 1
const INTEGER_48_MIN = -(2 ** 47)
const NAN_HIGH_WORD = 0x7ff80000

// One number seen as bytes and words, least significant first: the hosts of Node are little-endian, and record.ts relies
// on it as well. Never held across a call.
const float64 = new Float64Array(1)
const float64Words = new Uint32Array(float64.buffer)
const float32 = new Float32Array(1)
const float32Words = new Uint32Array(float32.buffer)
const bigint64 = new BigInt64Array(1)
const bigint64Bytes = new Uint8Array(bigint64.buffer)

/** Writes a number with its tag. Returns the position behind it. */
export function writeNumber(target: Buffer, position: number, value: number): number {
  const integer = value | 0
  if (integer !== value) return writeWideNumber(target, position, value)
  if (integer <= 0) return writeNotPositive(target, position, value)
  if (integer < TAG_INTEGER_END) {
    target[position] = integer
    return position + 1
  }
  if (integer < 0x10000) {
    target[position] = TAG_UNSIGNED_16
    writeU16(target, position + 1, integer)
    return position + 3
  }
  target[position] = TAG_INTEGER_32
  writeU32(target, position + 1, integer)
  return position + 5
}

function writeNotPositive(target: Buffer, position: number, value: number): number {
  if (Object.is(value, -0)) return writeWideNumber(target, position, value)
  if (value === 0) {
    target[position] = 0
    return position + 1
  }
  if (value >= -0x100) {
    target[position] = TAG_NEGATIVE_8
    target[position + 1] = -1 - value
    return position + 2
  }
  target[position] = TAG_INTEGER_32
  writeU32(target, position + 1, value)
  return position + 5
}

/** Whatever is no integer of 32 bits. */
function writeWideNumber(target: Buffer, position: number, value: number): number {
  if (Math.fround(value) === value) {
    float32[0] = value
    target[position] = TAG_FLOAT_32
    writeU32(target, position + 1, float32Words[0] as number)
    return position + 5
  }
  if (Math.floor(value) === value && value >= INTEGER_48_MIN && value <= INTEGER_48_MAX) {
    const low = value >>> 0
    target[position] = TAG_INTEGER_48
    writeU32(target, position + 1, low)
    writeU16(target, position + 5, (value - low) / TWO_32)
    return position + 7
  }
  // A NaN may carry any payload, which no program can see: every one is written as the canonical one.
  float64[0] = value
  const isNumber = value === value
  target[position] = TAG_FLOAT_64
  writeU32(target, position + 1, isNumber ? (float64Words[0] as number) : 0)
  writeU32(target, position + 5, isNumber ? (float64Words[1] as number) : NAN_HIGH_WORD)
  return position + 9
}

/** Reads what follows TAG_FLOAT_32, which starts at `position`; the caller has checked the bounds. */
export function readFloat32(source: Buffer, position: number): number {
  float32Words[0] = readU32(source, position)
  return float32[0] as number
}

/** Reads what follows TAG_FLOAT_64, which starts at `position`; the caller has checked the bounds. */
export function readFloat64(source: Buffer, position: number): number {
  float64Words[0] = readU32(source, position)
  float64Words[1] = readU32(source, position + 4)
  return float64[0] as number
}

/** Reads what follows TAG_INTEGER_48, which starts at `position`; the caller has checked the bounds. */
export function readInteger48(source: Buffer, position: number): number {
  return ((readU16(source, position + 4) << 16) >> 16) * TWO_32 + readU32(source, position)
}

/** Writes a count from 0 to 2^32 - 1: seven bits a byte, low bits first, the high bit set on all but the last byte. */
export function writeCount(target: Buffer, position: number, count: number): number {
  let rest = count
  let at = position
  while (rest > 0x7f) {
    target[at++] = (rest & 0x7f) | 0x80
    rest = rest > 0x7fffffff ? Math.floor(rest / 0x80) : rest >>> 7
  }
  target[at++] = rest
  return at
}

/** Reads a count of at most five bytes and moves the cursor behind it. */
export function readCount(cursor: ValueCursor): number {
  let count = 0
  let factor = 1
  for (let index = 0; index < 5; index++) {
    const byte = cursor.byte()
    count += (byte & 0x7f) * factor
    if (byte < 0x80) {
      if (count > 0xffffffff) break
      return count
    }
    factor *= 0x80
  }
  return cursor.damaged("a count of more than 32 bits")
}

/** Writes a bigint with its tag. Returns the position behind it. */
export function writeBigint(target: Buffer, position: number, value: bigint): number {
  if (BigInt.asIntN(64, value) === value) {
    bigint64[0] = value
    target[position] = TAG_BIGINT_64
    for (let index = 0; index < 8; index++) target[position + 1 + index] = bigint64Bytes[index] as number
    return position + 9
  }
  const isNegative = value < 0n
  const digits = (isNegative ? -value : value).toString(16)
  const size = (digits.length + 1) >> 1
  target[position] = TAG_BIGINT
  target[position + 1] = isNegative ? 1 : 0
  const start = writeCount(target, position + 2, size)
  if (start + size > target.length) return start + size
  target.set(Buffer.from(digits.padStart(2 * size, "0"), "hex").reverse(), start)
  return start + size
}

/** Reads what follows TAG_BIGINT_64. */
export function readBigint64(cursor: ValueCursor): bigint {
  const start = cursor.take(8)
  for (let index = 0; index < 8; index++) bigint64Bytes[index] = cursor.source[start + index] as number
  return bigint64[0] as bigint
}

/** Reads what follows TAG_BIGINT. */
export function readBigint(cursor: ValueCursor): bigint {
  const sign = cursor.byte()
  if (sign > 1) return cursor.damaged("a bigint whose sign is neither 0 nor 1")
  const size = readCount(cursor)
  const start = cursor.take(size)
  if (size === 0) return 0n
  const magnitude = BigInt(
    `0x${Buffer.from(cursor.source.subarray(start, start + size))
      .reverse()
      .toString("hex")}`,
  )
  return sign === 1 ? -magnitude : magnitude
}
