// Writes records into a buffer: the one place where a put is encoded. The same bytes go to the disk and into a table.
//
// Every function returns where the record ends, padding included, or -1 where the buffer has no room; what it scribbled
// behind `at` is then of no meaning. Results that do not fit into a return value stand in fields until the next call.

import { KeyRefused, LimitExceeded } from "../model/errors.ts"
import { KEY_SIZE_MAX } from "../model/limits.ts"
import { hashAsciiKey, hashKeyBytes } from "./key-hash.ts"
import type { HashSecret } from "./key-hash.ts"
import {
  KIND_DEFINE_SHAPE,
  KIND_DEFINE_TABLE,
  KIND_DELETE,
  KIND_PUT,
  RECORD_HEADER_SIZE,
  recordSize,
} from "./record.ts"
import type { RecordBuffer } from "./record.ts"
import { encodeShapeFields } from "./shape-registry.ts"
import { COMPRESS_NEVER } from "./value-compression.ts"
import type { ValueCompressor } from "./value-compression.ts"
import type { ValueEncoder } from "./value-encoder.ts"

export class RecordWriter {
  /** The hash of the key written last. */
  hash = 0
  readonly #secret: HashSecret
  readonly #encoder: ValueEncoder
  readonly #compressor: ValueCompressor | undefined

  /** `compressor`: for whoever calls `put` with a size from which on values are compressed. */
  constructor(secret: HashSecret, encoder: ValueEncoder, compressor?: ValueCompressor) {
    this.#secret = secret
    this.#encoder = encoder
    this.#compressor = compressor
  }

  /** A value of `compressFrom` bytes or more is compressed. Fails with: KeyRefused, LimitExceeded, ValueRefused. */
  put(
    buffer: RecordBuffer,
    at: number,
    flags: number,
    tableId: number,
    key: string,
    value: unknown,
    compressFrom: number = COMPRESS_NEVER,
  ): number {
    const keySize = this.#writeKey(buffer, at, key)
    if (keySize < 0) return -1
    const valueStart = at + RECORD_HEADER_SIZE + keySize
    let end = this.#encoder.encode(value, buffer.bytes, valueStart)
    if (end < 0) return -1
    if (end - valueStart >= compressFrom) end = this.#compressed(buffer, valueStart, end)
    return this.#finish(buffer, at, KIND_PUT, flags, tableId, keySize, end - valueStart)
  }

  /** Fails with: KeyRefused, LimitExceeded. */
  delete(buffer: RecordBuffer, at: number, flags: number, tableId: number, key: string): number {
    const keySize = this.#writeKey(buffer, at, key)
    if (keySize < 0) return -1
    return this.#finish(buffer, at, KIND_DELETE, flags, tableId, keySize, 0)
  }

  defineTable(buffer: RecordBuffer, at: number, flags: number, id: number, name: string): number {
    const size = Buffer.byteLength(name)
    if (at + recordSize(size, 0) > buffer.bytes.length) return -1
    buffer.bytes.utf8Write(name, at + RECORD_HEADER_SIZE, size)
    this.hash = 0
    return this.#finish(buffer, at, KIND_DEFINE_TABLE, flags, id, size, 0)
  }

  defineShape(buffer: RecordBuffer, at: number, flags: number, id: number, fields: readonly string[]): number {
    const size = fields.reduce((sum, field) => sum + 2 + Buffer.byteLength(field), 2)
    if (at + recordSize(0, size) > buffer.bytes.length) return -1
    encodeShapeFields(fields, buffer.bytes, at + RECORD_HEADER_SIZE)
    this.hash = 0
    return this.#finish(buffer, at, KIND_DEFINE_SHAPE, flags, id, 0, size)
  }

  /** Bytes of a key, left in `target`, with its hash in `hash`. For reads: the same rules as for writes. */
  keyInto(target: RecordBuffer, key: string): number {
    return this.#writeKey(target, -RECORD_HEADER_SIZE, key)
  }

  #compressed({ bytes }: RecordBuffer, start: number, end: number): number {
    // A value that has just taught a shape is written once more, behind the shape's definition.
    if (this.#compressor === undefined || this.#encoder.shapes.hasPending) return end
    return this.#compressor.compress(bytes, start, end)
  }

  #writeKey(buffer: RecordBuffer, at: number, key: string): number {
    const start = at + RECORD_HEADER_SIZE
    const size = key.length
    if (size <= KEY_SIZE_MAX) {
      if (start + size > buffer.bytes.length) return -1
      const hash = hashAsciiKey(this.#secret, key, buffer.words, start >>> 2)
      if (hash >= 0) {
        this.hash = hash
        return size
      }
    }
    return this.#writeLongKey(buffer, start, key)
  }

  /** Any key: beyond ASCII, or too long. */
  #writeLongKey(buffer: RecordBuffer, start: number, key: string): number {
    if (!key.isWellFormed()) throw new KeyRefused("holds a lone surrogate, which no encoding can tell from others")
    const size = Buffer.byteLength(key)
    if (size > KEY_SIZE_MAX) {
      throw new LimitExceeded(
        "the key's size in bytes",
        KEY_SIZE_MAX,
        size,
        "Use a shorter key, a hash of it for example",
      )
    }
    if (start + size > buffer.bytes.length) return -1
    buffer.bytes.utf8Write(key, start, size)
    this.hash = hashKeyBytes(this.#secret, buffer.bytes, start, start + size)
    return size
  }

  #finish(
    buffer: RecordBuffer,
    at: number,
    kind: number,
    flags: number,
    tableId: number,
    keySize: number,
    valueSize: number,
  ): number {
    let end = at + RECORD_HEADER_SIZE + keySize + valueSize
    const padded = (end + 7) & ~7
    if (padded > buffer.bytes.length) return -1
    const { words, bytes } = buffer
    const word = at >>> 2
    words[word] = this.hash
    words[word + 1] = valueSize
    words[word + 2] = keySize | (kind << 16) | (flags << 24)
    words[word + 3] = tableId
    while (end < padded) bytes[end++] = 0
    return padded
  }
}
