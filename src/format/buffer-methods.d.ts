// Methods of Node's Buffer that exist in every version and are missing from its type declarations. They skip the
// argument handling of `write` and `toString`, which costs more than short strings themselves.
interface Buffer {
  /** Writes as much UTF-8 as fits, whole characters only; returns the bytes written. */
  utf8Write(text: string, offset: number, length?: number): number
  latin1Write(text: string, offset: number, length?: number): number
  ucs2Write(text: string, offset: number, length?: number): number
  utf8Slice(start: number, end: number): string
  latin1Slice(start: number, end: number): string
  ucs2Slice(start: number, end: number): string
  hexSlice(start: number, end: number): string
}
