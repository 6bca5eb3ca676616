// Finds who wants a key, among any number of keys that somebody wants exactly, without making a string: one pass over the
// key, four bytes at a time, and one look into a map.

import { HASH_START, fold, wordsOf } from "./key-words.ts"

interface KeyRoute<Target> {
  readonly words: Uint32Array
  /** Of the key, in bytes. */
  readonly size: number
  targets: Target[]
  /** Another key of the same hash. */
  next: KeyRoute<Target> | undefined
}

export class KeyRoutes<Target> {
  readonly #byHash: Map<number, KeyRoute<Target>> = new Map()

  get isEmpty(): boolean {
    return this.#byHash.size === 0
  }

  /** Requires: the target is not in for this key yet. */
  add(key: Uint8Array, target: Target): void {
    const words = wordsOf(key)
    const known = this.#find(words, 0, key.length)
    if (known !== undefined) {
      known.targets.push(target)
      return
    }
    const hash = hashOf(words, 0, key.length)
    this.#byHash.set(hash, { words, size: key.length, targets: [target], next: this.#byHash.get(hash) })
  }

  remove(key: Uint8Array, target: Target): void {
    const words = wordsOf(key)
    const route = this.#find(words, 0, key.length)
    if (route === undefined) return
    route.targets = route.targets.filter((other) => other !== target)
    if (route.targets.length > 0) return
    const hash = hashOf(words, 0, key.length)
    const rest = without(this.#byHash.get(hash), route)
    if (rest === undefined) this.#byHash.delete(hash)
    else this.#byHash.set(hash, rest)
  }

  /** Like `PrefixRoutes.match`: puts the targets into `found` from the index `count` on, and returns the count behind. */
  match(words: Uint32Array, start: number, keySize: number, found: Target[], count: number): number {
    const route = this.#find(words, start, keySize)
    if (route === undefined) return count
    let end = count
    for (const target of route.targets) found[end++] = target
    return end
  }

  #find(words: Uint32Array, start: number, keySize: number): KeyRoute<Target> | undefined {
    let route = this.#byHash.get(hashOf(words, start, keySize))
    while (route !== undefined && !isKey(route, words, start, keySize)) route = route.next
    return route
  }
}

/** What of the last, partial word belongs to the key. */
function tailMaskOf(keySize: number): number {
  return 2 ** ((keySize & 3) * 8) - 1
}

function hashOf(words: Uint32Array, start: number, keySize: number): number {
  const wholeCount = keySize >>> 2
  let hash = HASH_START ^ keySize
  for (let index = 0; index < wholeCount; index++) hash = fold(hash, words[start + index] as number)
  return (keySize & 3) === 0 ? hash : fold(hash, (words[start + wholeCount] as number) & tailMaskOf(keySize))
}

function isKey(route: KeyRoute<unknown>, words: Uint32Array, start: number, keySize: number): boolean {
  if (route.size !== keySize) return false
  const wholeCount = keySize >>> 2
  for (let index = 0; index < wholeCount; index++) if (words[start + index] !== route.words[index]) return false
  if ((keySize & 3) === 0) return true
  return ((words[start + wholeCount] as number) & tailMaskOf(keySize)) >>> 0 === route.words[wholeCount]
}

function without<Target>(first: KeyRoute<Target> | undefined, route: KeyRoute<Target>): KeyRoute<Target> | undefined {
  if (first === undefined || first === route) return route.next
  return { ...first, next: without(first.next, route) }
}
