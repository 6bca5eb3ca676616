// Chance that a seed decides: xoshiro128** 1.1 (Blackman and Vigna, prng.di.unimi.it, public domain), its state filled
// by splitmix32. The same seed gives the same sequence everywhere. Not for secrets.

import { invariant } from "../model/invariant.ts"
import type { Random } from "../platform/random.ts"

export class SimulatedRandom implements Random {
  #a: number
  #b: number
  #c: number
  #d: number

  /** Requires: seed is an integer. Only its low 53 bits count. */
  constructor(seed: number) {
    invariant(Number.isSafeInteger(seed), "the seed is a safe integer")
    // Both halves of the seed take part, so that seeds beyond 32 bits differ.
    let state = (seed | 0) ^ Math.imul(Math.floor(seed / 2 ** 32) | 0, 0x9e3779b1)
    const next = (): number => {
      state = (state + 0x9e3779b9) | 0
      let mixed = state ^ (state >>> 16)
      mixed = Math.imul(mixed, 0x21f0aaad)
      mixed ^= mixed >>> 15
      mixed = Math.imul(mixed, 0x735a2d97)
      return mixed ^ (mixed >>> 15)
    }
    this.#a = next()
    this.#b = next()
    this.#c = next()
    this.#d = next()
    // The one state that xoshiro never leaves.
    if ((this.#a | this.#b | this.#c | this.#d) === 0) this.#a = 1
  }

  /** An integer from 0 to 2^32 - 1. */
  nextUint32(): number {
    const scrambled = Math.imul(this.#b, 5)
    const result = Math.imul((scrambled << 7) | (scrambled >>> 25), 9)
    const shifted = this.#b << 9
    this.#c ^= this.#a
    this.#d ^= this.#b
    this.#b ^= this.#c
    this.#a ^= this.#d
    this.#c ^= shifted
    this.#d = (this.#d << 11) | (this.#d >>> 21)
    return result >>> 0
  }

  /** An integer from 0 to `bound` - 1. Requires: bound from 1 to 2^32. */
  below(bound: number): number {
    invariant(bound >= 1 && bound <= 2 ** 32, "the bound of a random number is from 1 to 2^32")
    return Math.floor((this.nextUint32() / 2 ** 32) * bound)
  }

  /** True once in `oneIn` on average. */
  chance(oneIn: number): boolean {
    return this.below(oneIn) === 0
  }

  /** One of the items. Requires: there is one. */
  pick<Item>(items: readonly Item[]): Item {
    invariant(items.length > 0, "there is an item to pick")
    return items[this.below(items.length)] as Item
  }

  fill(target: Uint8Array): void {
    for (let index = 0; index < target.length; index++) target[index] = this.nextUint32() >>> 24
  }
}
