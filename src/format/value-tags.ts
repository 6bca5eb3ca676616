// The tag bytes of encoded values: the one place that writer and reader agree on. Every value starts with one tag, which
// says what follows. Normative text: docs/file-format-values.md. A tag changes only with the format version; tags that
// are not listed here are damage.

// Ranges: the tag carries the first part of the value itself.

/** 0x00 to 0x7f: the integer 0 to 127. */
export const TAG_INTEGER_END = 0x80
/** 0x80 to 0xbf: a string of 0 to 63 characters up to U+00FF, one byte each. */
export const TAG_TEXT_SHORT = 0x80
export const TAG_TEXT_SHORT_END = 0xc0
export const TEXT_SHORT_SIZE_MAX = 63
/** 0xc0 to 0xcf: an array of 0 to 15 elements. */
export const TAG_ARRAY_SHORT = 0xc0
export const TAG_ARRAY_SHORT_END = 0xd0
export const ARRAY_SHORT_LENGTH_MAX = 15
/** 0xd0 to 0xdf: an object of a learnt shape; four high bits of the shape id here, eight low bits in the next byte. */
export const TAG_SHAPED = 0xd0
export const TAG_SHAPED_END = 0xe0

// Single tags. Order of the numbers: simple values, numbers, strings, containers, built-in objects, references.

export const TAG_UNDEFINED = 0xe0
export const TAG_NULL = 0xe1
export const TAG_FALSE = 0xe2
export const TAG_TRUE = 0xe3
/** u8 n: the integer -1 - n. */
export const TAG_NEGATIVE_8 = 0xe4
/** u16. */
export const TAG_UNSIGNED_16 = 0xe5
/** i32. */
export const TAG_INTEGER_32 = 0xe6
/** i48. */
export const TAG_INTEGER_48 = 0xe7
/** f32. */
export const TAG_FLOAT_32 = 0xe8
/** f64. */
export const TAG_FLOAT_64 = 0xe9
/** i64: a bigint. */
export const TAG_BIGINT_64 = 0xea
/** u8 sign (1: negative), count of bytes, magnitude with the least significant byte first. */
export const TAG_BIGINT = 0xeb
/** u8 size, one byte a character up to U+00FF. */
export const TAG_LATIN1_8 = 0xec
/** u32 size, one byte a character up to U+00FF. */
export const TAG_LATIN1_32 = 0xed
/** u8 size, UTF-8. */
export const TAG_UTF8_8 = 0xee
/** u32 size, UTF-8. */
export const TAG_UTF8_32 = 0xef
/** u32 size, UTF-16: strings that are not well-formed. */
export const TAG_UTF16_32 = 0xf0
/** Count, then that many values; holes as TAG_HOLES. */
export const TAG_ARRAY = 0xf1
/** Count of holes in a row. Only inside an array. */
export const TAG_HOLES = 0xf2
/** Count, then that many pairs of a string and a value. */
export const TAG_OBJECT = 0xf3
/** Like TAG_OBJECT, of an object whose prototype is null. */
export const TAG_OBJECT_NULL = 0xf4
/** Count, then that many pairs of values. */
export const TAG_MAP = 0xf5
/** Count, then that many values. */
export const TAG_SET = 0xf6
/** A number: milliseconds since 1970, NaN for an invalid date. */
export const TAG_DATE = 0xf7
/** Two strings: source and flags. */
export const TAG_REGEXP = 0xf8
/** u8 kind (BINARY_KINDS), count of bytes, the bytes. */
export const TAG_BINARY = 0xf9
/** A number, string, boolean or bigint: the object that wraps it. */
export const TAG_BOXED = 0xfa
/** u8 type (ERROR_TYPES) and parts (ERROR_HAS_…), then the parts. */
export const TAG_ERROR = 0xfb
/** Count: the index of an object that came before, in the order of their tags. Only after TAG_SHARED. */
export const TAG_REFERENCE = 0xfc
/** Only as the first byte of all: a value follows in which TAG_REFERENCE occurs. */
export const TAG_SHARED = 0xfd
/** Only as the first byte of all: u8 method, u32 size, a compressed value. The highest tag: see ValueDecoder. */
export const TAG_COMPRESSED = 0xfe

/** The names of the kinds of binary objects; the position is the number in the file. */
export const BINARY_KINDS: readonly string[] = [
  "ArrayBuffer",
  "DataView",
  "Int8Array",
  "Uint8Array",
  "Uint8ClampedArray",
  "Int16Array",
  "Uint16Array",
  "Int32Array",
  "Uint32Array",
  "Float16Array",
  "Float32Array",
  "Float64Array",
  "BigInt64Array",
  "BigUint64Array",
]

/** The names of the error types; the position is the number in the file. */
export const ERROR_TYPES: readonly string[] = [
  "Error",
  "EvalError",
  "RangeError",
  "ReferenceError",
  "SyntaxError",
  "TypeError",
  "URIError",
]

/** The low four bits of an error's byte are its type, the high ones say which parts follow, in this order. */
export const ERROR_TYPE_MASK = 0x0f
export const ERROR_HAS_MESSAGE = 0x10
export const ERROR_HAS_STACK = 0x20
export const ERROR_HAS_CAUSE = 0x40
