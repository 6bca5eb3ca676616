// Keys as the router looks at them: little-endian words, as they lie in a record, and a hash over these.

// Keys and prefixes that are routed come from the application, not from strangers, so the hash needs no secret.
export const HASH_START = 0x3c6ef372

export function fold(hash: number, word: number): number {
  const mixed = Math.imul(hash ^ word, 0x9e3779b1)
  return mixed ^ (mixed >>> 15)
}

/** The bytes as words, the last one filled up with zeros. */
export function wordsOf(bytes: Uint8Array): Uint32Array {
  const whole = new Uint8Array((bytes.length + 3) & ~3)
  whole.set(bytes)
  return new Uint32Array(whole.buffer)
}
