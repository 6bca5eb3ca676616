// The hash of a key: HalfSipHash-1-3 (Aumasson, Bernstein 2012; the 32-bit variant by Aumasson) over its UTF-8 bytes,
// under a secret of the store, so that nobody outside can choose keys that collide. Placement, index and recovery use
// this one number, which is kept in every record.

/** The store's secret: two unsigned 32-bit integers, from the manifest. */
export interface HashSecret {
  readonly low: number
  readonly high: number
}

/**
 * The hash of an ASCII-only string, or -1 if it holds anything else. Writes the key's bytes into `words` from `at` on,
 * one word for four characters, as it reads them; zeros fill the last word.
 */
export function hashAsciiKey(secret: HashSecret, key: string, words: Uint32Array, wordAt: number): number {
  let at = wordAt
  const size = key.length
  let v0 = secret.low | 0
  let v1 = secret.high | 0
  let v2 = 0x6c796765 ^ secret.low
  let v3 = 0x74656462 ^ secret.high
  let any = 0
  let index = 0
  const whole = size & ~3
  while (index < whole) {
    const a = key.charCodeAt(index)
    const b = key.charCodeAt(index + 1)
    const c = key.charCodeAt(index + 2)
    const d = key.charCodeAt(index + 3)
    any |= a | b | c | d
    const word = a | (b << 8) | (c << 16) | (d << 24)
    words[at++] = word
    index += 4
    v3 ^= word
    v0 = (v0 + v1) | 0
    v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0
    v0 = (v0 << 16) | (v0 >>> 16)
    v2 = (v2 + v3) | 0
    v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2
    v0 = (v0 + v3) | 0
    v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0
    v2 = (v2 + v1) | 0
    v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2
    v2 = (v2 << 16) | (v2 >>> 16)
    v0 ^= word
  }
  let rest = 0
  for (let shift = 0; index < size; index++, shift += 8) {
    const c = key.charCodeAt(index)
    any |= c
    rest |= c << shift
  }
  if (any > 0x7f) return -1
  words[at] = rest
  return finish(v0, v1, v2, v3, rest | (size << 24))
}

/** The hash of the bytes from `start` to `end`. */
export function hashKeyBytes(secret: HashSecret, bytes: Uint8Array, start: number, end: number): number {
  let v0 = secret.low | 0
  let v1 = secret.high | 0
  let v2 = 0x6c796765 ^ secret.low
  let v3 = 0x74656462 ^ secret.high
  const size = end - start
  let index = start
  const whole = start + (size & ~3)
  while (index < whole) {
    const word =
      (bytes[index] as number) |
      ((bytes[index + 1] as number) << 8) |
      ((bytes[index + 2] as number) << 16) |
      ((bytes[index + 3] as number) << 24)
    index += 4
    v3 ^= word
    v0 = (v0 + v1) | 0
    v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0
    v0 = (v0 << 16) | (v0 >>> 16)
    v2 = (v2 + v3) | 0
    v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2
    v0 = (v0 + v3) | 0
    v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0
    v2 = (v2 + v1) | 0
    v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2
    v2 = (v2 << 16) | (v2 >>> 16)
    v0 ^= word
  }
  let last = size << 24
  for (let shift = 0; index < end; index++, shift += 8) last |= (bytes[index] as number) << shift
  return finish(v0, v1, v2, v3, last)
}

function finish(a: number, b: number, c: number, d: number, last: number): number {
  let v0 = a
  let v1 = b
  let v2 = c
  let v3 = d ^ last
  for (let round = 0; round < 4; round++) {
    if (round === 1) {
      v0 ^= last
      v2 ^= 0xff
    }
    v0 = (v0 + v1) | 0
    v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0
    v0 = (v0 << 16) | (v0 >>> 16)
    v2 = (v2 + v3) | 0
    v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2
    v0 = (v0 + v3) | 0
    v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0
    v2 = (v2 + v1) | 0
    v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2
    v2 = (v2 << 16) | (v2 >>> 16)
  }
  return (v1 ^ v3) >>> 0
}
