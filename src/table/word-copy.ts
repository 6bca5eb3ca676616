// Copies 32-bit words from one array to another. Records are mostly short, and a native call costs as much as copying
// some 400 bytes in a loop. Never by way of floating-point numbers, which do not keep every pattern of bits.

/** Above this many words the native call is faster. */
const LOOP_COUNT_MAX = 96

/** Requires: an even count, as records have (format/record.ts). */
export function copyWords(source: Uint32Array, from: number, target: Uint32Array, to: number, count: number): void {
  if (count > LOOP_COUNT_MAX) {
    target.set(source.subarray(from, from + count), to)
    return
  }
  const end = from + count
  for (let read = from, write = to; read < end; read += 2, write += 2) {
    target[write] = source[read] as number
    target[write + 1] = source[read + 1] as number
  }
}
