// The canonical form of a value: bytes that depend on the value alone, and not on the shapes that a store has learnt or
// how it has numbered them. For digests; nobody reads it back. Normative text: docs/merkle.md, 'What is hashed'.
//
// It is the encoding (docs/file-format-values.md), except that every object but the empty one is written as its tag
// (TAG_OBJECT or TAG_OBJECT_NULL), its count of fields, its values, and then the SHA-256 of its encoded field names. The
// names come last so that one pass is enough, and as a digest so that a value of many small objects with long names
// does not grow beyond a bound: at most 20 times the encoded value.
//
// What follows a tag is said here once more, beside value-reader.ts: a reader that took its sizes from a table that both
// share needed half as much time again for a number (1.5 times, median of five interleaved runs). A test holds the two
// against each other, tag by tag.

import type { Sha256 } from "../model/digest.ts"
import { DIGEST_SIZE } from "../model/digest.ts"
import { VALUE_DEPTH_MAX } from "../model/limits.ts"
import type { ShapeRegistry } from "./shape-registry.ts"
import { valueInside } from "./value-compression.ts"
import { ValueDamaged } from "./value-damaged.ts"
import { writeCount } from "./value-number.ts"
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
  TAG_COMPRESSED,
  TAG_DATE,
  TAG_ERROR,
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
  TAG_OBJECT,
  TAG_OBJECT_NULL,
  TAG_REFERENCE,
  TAG_REGEXP,
  TAG_SET,
  TAG_SHAPED_END,
  TAG_SHARED,
  TAG_TEXT_SHORT_END,
  TAG_TRUE,
  TAG_UNSIGNED_16,
  TAG_UTF16_32,
  TAG_UTF8_32,
  TAG_UTF8_8,
  TEXT_SHORT_SIZE_MAX,
} from "./value-tags.ts"
import { writeText } from "./value-text.ts"

const SIZE_FIRST = 4 * 1024
/** What a large value has made necessary is not kept. */
const SIZE_KEPT_MAX = 1024 * 1024
const NOTHING: Buffer = Buffer.alloc(0)

interface ShapeNames {
  readonly fields: readonly string[]
  readonly digest: Uint8Array
}

export class CanonicalWriter {
  readonly #shapes: ShapeRegistry
  readonly #sha256: Sha256
  /** By the number of the shape. */
  readonly #shapeNames: (ShapeNames | undefined)[] = []
  // Changed only by write() and what it calls.
  #source = NOTHING
  #at = 0
  #end = 0
  #depth = 0
  #target: Buffer = Buffer.allocUnsafeSlow(SIZE_FIRST)
  #position = 0
  /** Where the bytes begin that are to be copied as they are. */
  #runStart = 0
  /** Encoded names of the objects that the walk is inside of, the innermost last. */
  #names: Buffer = Buffer.allocUnsafeSlow(SIZE_FIRST)
  #namesEnd = 0

  constructor(shapes: ShapeRegistry, sha256: Sha256) {
    this.#shapes = shapes
    this.#sha256 = sha256
  }

  /**
   * The canonical form of the value that is encoded in exactly the bytes from `start` to `end`, behind one byte `head`.
   * That of a compressed value is the form of the value inside. Valid until the next call. Requires: the shapes that it
   * uses are in the registry. Fails with: ValueDamaged, CompressionUnavailable.
   */
  write(head: number, source: Buffer, start: number, end: number): Uint8Array {
    if (source[start] === TAG_COMPRESSED && start < end) {
      const inside = valueInside(this.#shapes.compression, source, start, end)
      return this.write(head, inside, 0, inside.length)
    }
    if (this.#target.length > SIZE_KEPT_MAX) this.#target = Buffer.allocUnsafeSlow(SIZE_FIRST)
    if (this.#names.length > SIZE_KEPT_MAX) this.#names = Buffer.allocUnsafeSlow(SIZE_FIRST)
    this.#source = source
    this.#at = start
    this.#end = end
    this.#depth = 0
    this.#runStart = start
    this.#namesEnd = 0
    this.#target[0] = head
    this.#position = 1
    try {
      if (source[start] === TAG_SHARED && start < end) this.#at++
      this.#value()
      if (this.#at !== end) this.#damaged("bytes behind the value")
      this.#copyRun(end)
      return this.#target.subarray(0, this.#position)
    } finally {
      this.#source = NOTHING
    }
  }

  #value(): void {
    const tag = this.#byte()
    if (tag < TAG_INTEGER_END) return
    if (tag < TAG_TEXT_SHORT_END) this.#skip(tag & TEXT_SHORT_SIZE_MAX)
    else if (tag < TAG_ARRAY_SHORT_END) this.#elements(tag & 0x0f)
    else if (tag < TAG_SHAPED_END) this.#shaped(((tag & 0x0f) << 8) | this.#byte())
    else if (tag > TAG_TRUE) this.#large(tag)
  }

  #large(tag: number): void {
    switch (tag) {
      case TAG_NEGATIVE_8:
        return this.#skip(1)
      case TAG_UNSIGNED_16:
        return this.#skip(2)
      case TAG_INTEGER_32:
      case TAG_FLOAT_32:
        return this.#skip(4)
      case TAG_INTEGER_48:
        return this.#skip(6)
      case TAG_FLOAT_64:
      case TAG_BIGINT_64:
        return this.#skip(8)
      case TAG_BIGINT:
      case TAG_BINARY:
        this.#skip(1)
        return this.#skip(this.#count())
      case TAG_LATIN1_8:
      case TAG_UTF8_8:
        return this.#skip(this.#byte())
      case TAG_LATIN1_32:
      case TAG_UTF8_32:
      case TAG_UTF16_32:
        return this.#skip(this.#size32())
      case TAG_ARRAY:
        return this.#elements(this.#count())
      case TAG_OBJECT:
      case TAG_OBJECT_NULL:
        return this.#object(tag)
      case TAG_MAP:
        return this.#values(2 * this.#count())
      case TAG_SET:
        return this.#values(this.#count())
      case TAG_DATE:
      case TAG_BOXED:
        return this.#values(1)
      case TAG_REGEXP:
        return this.#values(2)
      case TAG_ERROR:
        return this.#error()
      case TAG_REFERENCE:
        this.#count()
        return
      default:
        this.#at--
        this.#damaged(`the unknown tag ${tag}`)
    }
  }

  /** A learnt object: its two bytes of shape give way to what the object has in full. */
  #shaped(id: number): void {
    const { fields, digest } = this.#namesOf(id)
    this.#copyRun(this.#at - 2)
    this.#runStart = this.#at
    this.#put(TAG_OBJECT, fields.length)
    this.#values(fields.length)
    this.#putDigest(digest)
  }

  /** An object in full: its names are taken out from between the values. */
  #object(tag: number): void {
    this.#copyRun(this.#at - 1)
    const count = this.#count()
    this.#runStart = this.#at
    this.#put(tag, count)
    if (count === 0) return
    this.#enter()
    const namesStart = this.#namesEnd
    for (let index = 0; index < count; index++) {
      this.#copyRun(this.#at)
      const nameStart = this.#at
      const nameTag = this.#source[nameStart] as number
      const isString = nameTag >= TAG_INTEGER_END && nameTag < TAG_TEXT_SHORT_END
      if (!isString && (nameTag < TAG_LATIN1_8 || nameTag > TAG_UTF16_32)) this.#damaged("a field without a name")
      this.#value()
      this.#pushName(nameStart, this.#at)
      this.#runStart = this.#at
      this.#value()
    }
    this.#depth--
    const digest = this.#sha256(this.#names.subarray(namesStart, this.#namesEnd))
    this.#namesEnd = namesStart
    this.#putDigest(digest)
  }

  #elements(length: number): void {
    this.#enter()
    for (let index = 0; index < length;) {
      if (this.#source[this.#at] === TAG_HOLES && this.#at < this.#end) {
        this.#at++
        const holes = this.#count()
        if (holes === 0 || holes > length - index) this.#damaged(`${holes} holes in an array of ${length}`)
        index += holes
      } else {
        this.#value()
        index++
      }
    }
    this.#depth--
  }

  #values(count: number): void {
    this.#enter()
    for (let index = 0; index < count; index++) this.#value()
    this.#depth--
  }

  #error(): void {
    const parts = this.#byte()
    const has = (part: number): number => ((parts & part) === 0 ? 0 : 1)
    this.#values(has(ERROR_HAS_MESSAGE) + has(ERROR_HAS_STACK) + has(ERROR_HAS_CAUSE))
  }

  #enter(): void {
    // Dates, boxes and expressions count here as containers too: nothing that was written nests so deep.
    if (this.#depth > VALUE_DEPTH_MAX + 1) this.#damaged(`more than ${VALUE_DEPTH_MAX} containers inside each other`)
    this.#depth++
  }

  #byte(): number {
    if (this.#at >= this.#end) this.#damaged("the end")
    return this.#source[this.#at++] as number
  }

  #skip(size: number): void {
    if (size > this.#end - this.#at) this.#damaged(`the end inside ${size} bytes`)
    this.#at += size
  }

  #size32(): number {
    const at = this.#at
    this.#skip(4)
    return this.#source.readUInt32LE(at)
  }

  #count(): number {
    let count = 0
    let factor = 1
    for (let index = 0; index < 5; index++) {
      const byte = this.#byte()
      count += (byte & 0x7f) * factor
      if (byte < 0x80) return count
      factor *= 0x80
    }
    return this.#damaged("a count of more than 32 bits")
  }

  /** Copies what stands before `end` and was not taken yet. */
  #copyRun(end: number): void {
    const size = end - this.#runStart
    if (size <= 0) return
    this.#reserve(size)
    if (size < 24) {
      // A call costs more than a few bytes.
      for (let index = 0; index < size; index++) {
        this.#target[this.#position + index] = this.#source[this.#runStart + index] as number
      }
    } else this.#source.copy(this.#target, this.#position, this.#runStart, end)
    this.#position += size
    this.#runStart = end
  }

  #put(tag: number, count: number): void {
    this.#reserve(6)
    this.#target[this.#position] = tag
    this.#position = writeCount(this.#target, this.#position + 1, count)
  }

  #putDigest(digest: Uint8Array): void {
    this.#copyRun(this.#at)
    this.#reserve(DIGEST_SIZE)
    this.#target.set(digest, this.#position)
    this.#position += DIGEST_SIZE
  }

  #reserve(size: number): void {
    const needed = this.#position + size
    if (needed <= this.#target.length) return
    const larger = Buffer.allocUnsafeSlow(Math.max(needed, 2 * this.#target.length))
    this.#target.copy(larger, 0, 0, this.#position)
    this.#target = larger
  }

  #pushName(start: number, end: number): void {
    const needed = this.#namesEnd + end - start
    if (needed > this.#names.length) {
      const larger = Buffer.allocUnsafeSlow(2 * needed)
      this.#names.copy(larger, 0, 0, this.#namesEnd)
      this.#names = larger
    }
    this.#source.copy(this.#names, this.#namesEnd, start, end)
    this.#namesEnd = needed
  }

  #namesOf(id: number): ShapeNames {
    const fields = this.#shapes.fieldsOf(id)
    const known = this.#shapeNames[id]
    if (known !== undefined && known.fields === fields) return known
    if (fields === undefined) return this.#damaged(`the shape ${id}, which is not defined`)
    const encoded = fields.map((field) => {
      const bytes = Buffer.alloc(5 + 3 * field.length)
      return bytes.subarray(0, writeText(bytes, 0, field))
    })
    const names: ShapeNames = { fields, digest: Uint8Array.from(this.#sha256(Buffer.concat(encoded))) }
    while (this.#shapeNames.length < id) this.#shapeNames.push(undefined)
    this.#shapeNames[id] = names
    return names
  }

  #damaged(found: string): never {
    throw new ValueDamaged(this.#at, found)
  }
}
