// Compression as a capability: the platform brings it, everybody else takes it as an argument. What is compressed, and how
// it is told from what is not, is the value codec's business (format/value-compression.ts).

export interface Compression {
  /** A Zstandard frame (RFC 8878) of the bytes, in memory of its own. Depends on the library's version: no digest of it. */
  compress(bytes: Uint8Array): Uint8Array
  /**
   * The bytes inside one frame. Undefined where the input is anything else than exactly one frame of exactly `size` bytes.
   * Takes memory as the output comes, of which it takes `size` at most, and for a window of the next power of two.
   */
  decompress(frame: Uint8Array, size: number): Uint8Array | undefined
}
