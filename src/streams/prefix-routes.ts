// Finds the prefixes that a key begins with, among any number of them, without making a string: one pass over the key,
// four bytes at a time, and one look into a map for each length that prefixes have. Prefixes are UTF-8: a well-formed key
// begins with a well-formed prefix exactly if its bytes do.

import { HASH_START, fold, wordsOf } from "./key-words.ts"

interface PrefixRoute<Target> {
  /** The prefix as little-endian words, the last one filled up with zeros. */
  readonly words: Uint32Array
  readonly target: Target
  /** Another prefix of the same length and hash. */
  next: PrefixRoute<Target> | undefined
}

interface LengthRoutes<Target> {
  /** Of the prefixes, in bytes. */
  readonly size: number
  /** How many whole words they have, and what of the word behind belongs to them: 0 for none. */
  readonly wholeCount: number
  readonly tailMask: number
  readonly byHash: Map<number, PrefixRoute<Target>>
}

export class PrefixRoutes<Target> {
  /** Shortest first, so that the hash of a longer prefix continues that of a shorter one. */
  #lengths: LengthRoutes<Target>[] = []

  get isEmpty(): boolean {
    return this.#lengths.length === 0
  }

  /** Requires: the prefix is not empty, and not in yet. */
  add(prefix: Uint8Array, target: Target): void {
    const length = this.#lengths.find(({ size }) => size === prefix.length) ?? this.#addLength(prefix.length)
    const words = wordsOf(prefix)
    const hash = hashWords(words, length)
    length.byHash.set(hash, { words, target, next: length.byHash.get(hash) })
  }

  remove(prefix: Uint8Array): void {
    const length = this.#lengths.find(({ size }) => size === prefix.length)
    if (length === undefined) return
    const words = wordsOf(prefix)
    const hash = hashWords(words, length)
    const rest = without(length.byHash.get(hash), words, length)
    if (rest !== undefined) length.byHash.set(hash, rest)
    else length.byHash.delete(hash)
    if (length.byHash.size === 0) this.#lengths = this.#lengths.filter((other) => other !== length)
  }

  find(prefix: Uint8Array): Target | undefined {
    const length = this.#lengths.find(({ size }) => size === prefix.length)
    if (length === undefined) return undefined
    const words = wordsOf(prefix)
    let route = length.byHash.get(hashWords(words, length))
    while (route !== undefined && !isPrefix(route, length, words, 0)) route = route.next
    return route?.target
  }

  /**
   * Puts the targets of all prefixes of a key, which begins with the word `start` of `words`, into `found`, from the index
   * `count` on, and returns the count behind them. Emptying an array instead would make it allocate anew for every key.
   */
  match(words: Uint32Array, start: number, keySize: number, found: Target[], count: number): number {
    const lengths = this.#lengths
    let end = count
    let hash = HASH_START
    let folded = 0
    for (let index = 0; index < lengths.length; index++) {
      const length = lengths[index] as LengthRoutes<Target>
      if (length.size > keySize) break
      while (folded < length.wholeCount) hash = fold(hash, words[start + folded++] as number)
      const tail = length.tailMask
      const full = tail === 0 ? hash : fold(hash, (words[start + folded] as number) & tail)
      let route = length.byHash.get(full)
      while (route !== undefined) {
        if (isPrefix(route, length, words, start)) found[end++] = route.target
        route = route.next
      }
    }
    return end
  }

  #addLength(size: number): LengthRoutes<Target> {
    const wholeCount = size >>> 2
    const length = { size, wholeCount, tailMask: 2 ** ((size & 3) * 8) - 1, byHash: new Map() }
    this.#lengths = [...this.#lengths, length].sort((left, right) => left.size - right.size)
    return length
  }
}

function hashWords(words: Uint32Array, length: LengthRoutes<unknown>): number {
  let hash = HASH_START
  for (let index = 0; index < length.wholeCount; index++) hash = fold(hash, words[index] as number)
  return length.tailMask === 0 ? hash : fold(hash, words[length.wholeCount] as number)
}

function isPrefix(
  route: PrefixRoute<unknown>,
  length: LengthRoutes<unknown>,
  words: Uint32Array,
  start: number,
): boolean {
  const { wholeCount, tailMask } = length
  for (let index = 0; index < wholeCount; index++) {
    if (words[start + index] !== route.words[index]) return false
  }
  if (tailMask === 0) return true
  return ((words[start + wholeCount] as number) & tailMask) >>> 0 === route.words[wholeCount]
}

function without<Target>(
  route: PrefixRoute<Target> | undefined,
  words: Uint32Array,
  length: LengthRoutes<Target>,
): PrefixRoute<Target> | undefined {
  if (route === undefined) return undefined
  if (isPrefix(route, length, words, 0)) return route.next
  return { ...route, next: without(route.next, words, length) }
}
