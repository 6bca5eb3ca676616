// The layout of one record, shared by those who write it (group commit), read it (recovery, change feed) and keep it
// (tables). Normative text: docs/file-format.md, 'Record'.
//
//   0      4          8        10    11     12        16          16+keySize          +valueSize   padded to 8
//   +------+----------+--------+-----+------+---------+-----------+-------------------+------------+
//   | hash | valueSize| keySize|kind |flags | tableId | key bytes | value bytes       | zeros      |
//   +------+----------+--------+-----+------+---------+-----------+-------------------+------------+
//   u32     u32        u16      u8    u8     u32
//
// Records start at multiples of 8. In a slab the six bytes 10..15 hold the 48-bit LSN of the commit instead: the low 32
// bits at 12, the high 16 bits at 10.

export const RECORD_HEADER_SIZE = 16
export const RECORD_HASH = 0
export const RECORD_VALUE_SIZE = 4
export const RECORD_KEY_SIZE = 8
export const RECORD_KIND = 10
export const RECORD_FLAGS = 11
export const RECORD_TABLE = 12

/** Sets the key to the value. */
export const KIND_PUT = 1
/** Removes the key. No value. */
export const KIND_DELETE = 2
/** Names a table: tableId is the new id, key its name in UTF-8. No value. */
export const KIND_DEFINE_TABLE = 3
/** Learns an object shape: tableId is the shape id, value the field names (u16 count, then u16 size and UTF-8 each). */
export const KIND_DEFINE_SHAPE = 4

/** This record belongs to the same commit as the record before it. */
export const FLAG_CONTINUES = 1

/** Bytes that carry records, seen two ways over the same memory. `bytes.byteOffset` is a multiple of 8. */
export interface RecordBuffer {
  readonly bytes: Buffer
  /** The same memory as 32-bit words, little-endian. Word i is bytes 4i to 4i+3 of `bytes`. */
  readonly words: Uint32Array
}

/** Size of a whole record with its padding. */
export function recordSize(keySize: number, valueSize: number): number {
  return (RECORD_HEADER_SIZE + keySize + valueSize + 7) & ~7
}

/** Size of the record at `at`, or undefined where it does not end before `end`. */
export function recordSizeWithin(buffer: RecordBuffer, at: number, end: number): number | undefined {
  if (at + RECORD_HEADER_SIZE > end) return undefined
  const valueSize = buffer.words[(at >>> 2) + 1] as number
  if (valueSize > end - at) return undefined
  const size = recordSize((buffer.words[(at >>> 2) + 2] as number) & 0xffff, valueSize)
  return at + size > end ? undefined : size
}

/** A view of `size` bytes of fresh, zeroed memory as records. */
export function allocateRecordBuffer(size: number): RecordBuffer {
  return recordBufferOver(new ArrayBuffer((size + 7) & ~7))
}

/** A view of existing memory as records. */
export function recordBufferOver(memory: ArrayBuffer): RecordBuffer {
  return { bytes: Buffer.from(memory), words: new Uint32Array(memory) }
}
