// Strings as bytes. Up to 63 characters below U+0100 take one byte each after a tag that holds the size; longer ASCII
// the same with a size of its own; the rest is UTF-8, or UTF-16 if it is not well-formed, so that lone surrogates
// survive. A call into the runtime costs as much as some 20 characters in a loop, hence two ways for each direction.
//
// Writers return a position behind the end of the target if the string does not fit, and may leave the bytes unwritten.

import { writeU32 } from "./integers.ts"
import { compile } from "./value-compile.ts"
import {
  TAG_LATIN1_32,
  TAG_LATIN1_8,
  TAG_TEXT_SHORT,
  TAG_UTF16_32,
  TAG_UTF8_32,
  TAG_UTF8_8,
  TEXT_SHORT_SIZE_MAX,
} from "./value-tags.ts"

/** Longest string that is written character by character. */
const WRITE_LOOP_SIZE_MAX = 22
/** Longest string that is read by a generated call of String.fromCharCode. */
const READ_CALL_SIZE_MAX = 32

type ReadLatin1 = (source: Buffer, start: number, size: number) => string

/** One case a size, so that each is one call with that many arguments: half the time of latin1Slice. */
const readShort = compile(
  { fromCharCode: String.fromCharCode },
  `return function readShort(source, start, size) {
     switch (size) { ${Array.from({ length: READ_CALL_SIZE_MAX + 1 }, (_, size) => readCase(size)).join(" ")} }
   }`,
) as ReadLatin1 | undefined

function readCase(size: number): string {
  const units = Array.from({ length: size }, (_, index) => `source[start + ${index}]`)
  return `case ${size}: return fromCharCode(${units.join(", ")});`
}

type ReadAscii = (source: Buffer, start: number, size: number) => string | undefined

/** The same where it is not known that the bytes are ASCII: undefined if they are not. Each byte is read once. */
const readAscii = compile(
  { fromCharCode: String.fromCharCode },
  `return function readAscii(source, start, size) {
     switch (size) {
       case 0: return "";
       ${Array.from({ length: READ_CALL_SIZE_MAX }, (_, index) => asciiCase(index + 1)).join(" ")}
     }
   }`,
) as ReadAscii | undefined

function asciiCase(size: number): string {
  const units = Array.from({ length: size }, (_, index) => `u${index}`)
  const reads = units.map((unit, index) => `${unit} = source[start + ${index}]`)
  const read = `const ${reads.join(", ")};`
  return `case ${size}: { ${read} return (${units.join(" | ")}) < 0x80 ? fromCharCode(${units.join(", ")}) : undefined; }`
}

/** Writes a string with its tag. Returns the position behind it. */
export function writeText(target: Buffer, position: number, text: string): number {
  const size = text.length
  if (size > WRITE_LOOP_SIZE_MAX) return writeLongText(target, position, text)
  const start = position + 1
  let units = 0
  let index = 0
  if ((size & 1) !== 0) {
    units = text.charCodeAt(0)
    target[start] = units
    index = 1
  }
  for (; index < size; index += 2) {
    const even = text.charCodeAt(index)
    const odd = text.charCodeAt(index + 1)
    units |= even | odd
    target[start + index] = even
    target[start + index + 1] = odd
  }
  if (units > 0xff) return writeUnicode(target, position, text)
  target[position] = TAG_TEXT_SHORT | size
  return start + size
}

function writeLongText(target: Buffer, position: number, text: string): number {
  const size = text.length
  const header = size <= TEXT_SHORT_SIZE_MAX ? 1 : size <= 0xff ? 2 : 5
  const start = position + header
  // UTF-8 takes up to three bytes a character. Only a string near the end of the target has to be measured first.
  if (start + 3 * size > target.length) {
    if (Buffer.byteLength(text) !== size) return writeUnicode(target, position, text)
    if (start + size > target.length) return start + size
  }
  if (target.utf8Write(text, start) !== size) return writeUnicode(target, position, text)
  if (header === 1) target[position] = TAG_TEXT_SHORT | size
  else if (header === 2) {
    target[position] = TAG_LATIN1_8
    target[position + 1] = size
  } else {
    target[position] = TAG_LATIN1_32
    writeU32(target, position + 1, size)
  }
  return start + size
}

/** For strings that are not all ASCII, or short and not all below U+0100. */
function writeUnicode(target: Buffer, position: number, text: string): number {
  if (text.length <= TEXT_SHORT_SIZE_MAX && isLatin1(text)) {
    const end = position + 1 + text.length
    if (end > target.length) return end
    target[position] = TAG_TEXT_SHORT | text.length
    target.latin1Write(text, position + 1)
    return end
  }
  const isWellFormed = text.isWellFormed()
  const size = isWellFormed ? Buffer.byteLength(text) : 2 * text.length
  const start = isWellFormed && size <= 0xff ? position + 2 : position + 5
  if (start + size > target.length) return start + size
  if (!isWellFormed) {
    target[position] = TAG_UTF16_32
    writeU32(target, position + 1, size)
    target.ucs2Write(text, start)
  } else {
    if (size <= 0xff) {
      target[position] = TAG_UTF8_8
      target[position + 1] = size
    } else {
      target[position] = TAG_UTF8_32
      writeU32(target, position + 1, size)
    }
    target.utf8Write(text, start)
  }
  return start + size
}

function isLatin1(text: string): boolean {
  let units = 0
  for (let index = 0; index < text.length; index++) units |= text.charCodeAt(index)
  return units <= 0xff
}

/** The string whose characters are the bytes. The caller has checked the bounds. */
export function readLatin1(source: Buffer, start: number, size: number): string {
  if (size <= READ_CALL_SIZE_MAX && readShort !== undefined) return readShort(source, start, size)
  return source.latin1Slice(start, start + size)
}

/** The string that the bytes are in UTF-8. Short ones in ASCII, as keys mostly are, are read without a call into C++. */
export function readUtf8(source: Buffer, start: number, size: number): string {
  if (size > READ_CALL_SIZE_MAX || readAscii === undefined) return source.utf8Slice(start, start + size)
  return readAscii(source, start, size) ?? source.utf8Slice(start, start + size)
}
