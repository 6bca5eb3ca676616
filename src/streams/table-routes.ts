// Who wants which keys of a table: everybody's filter is looked up here, and none is tried. Those who want puts alone, or
// deletes alone, have routes of their own below, so that the others do not pay for them.

import { KIND_PUT } from "../format/record.ts"
import type { Filter } from "./filter.ts"
import { KeyRoutes } from "./key-routes.ts"
import { PrefixRoutes } from "./prefix-routes.ts"

export class TableRoutes<Target> {
  #whole: Target | undefined = undefined
  readonly #prefixes: PrefixRoutes<Target> = new PrefixRoutes()
  readonly #keys: KeyRoutes<Target> = new KeyRoutes()
  /** By their keys, as one text. */
  readonly #keySets: Map<string, Target> = new Map()
  #puts: TableRoutes<Target> | undefined = undefined
  #deletes: TableRoutes<Target> | undefined = undefined
  /** Whether there is anything beside the whole and the prefixes: looked at for every record, so it is one flag. */
  #isPlain = true

  find({ prefix, keys, kind }: Filter): Target | undefined {
    if (kind !== undefined) return this.#of(kind)?.find({ table: undefined, prefix, keys })
    if (keys !== undefined) return this.#keySets.get(JSON.stringify(keys))
    return prefix.length === 0 ? this.#whole : this.#prefixes.find(prefix)
  }

  /** Requires: there is none with that filter. */
  add({ prefix, keys, kind }: Filter, target: Target): void {
    if (kind !== undefined) {
      if (kind === KIND_PUT) this.#puts ??= new TableRoutes()
      else this.#deletes ??= new TableRoutes()
      this.#of(kind)?.add({ table: undefined, prefix, keys }, target)
    } else if (keys !== undefined) {
      this.#keySets.set(JSON.stringify(keys), target)
      for (const key of keys) this.#keys.add(Buffer.from(key), target)
    } else if (prefix.length === 0) this.#whole = target
    else this.#prefixes.add(prefix, target)
    this.#noteOthers()
  }

  remove({ prefix, keys, kind }: Filter, target: Target): void {
    if (kind !== undefined) {
      this.#of(kind)?.remove({ table: undefined, prefix, keys }, target)
      if (this.#puts?.isEmpty === true) this.#puts = undefined
      if (this.#deletes?.isEmpty === true) this.#deletes = undefined
    } else if (keys !== undefined) {
      this.#keySets.delete(JSON.stringify(keys))
      for (const key of keys) this.#keys.remove(Buffer.from(key), target)
    } else if (prefix.length === 0) this.#whole = undefined
    else this.#prefixes.remove(prefix)
    this.#noteOthers()
  }

  get isEmpty(): boolean {
    return this.#isPlain && this.#whole === undefined && this.#prefixes.isEmpty
  }

  /** Puts those who want the change into `found`, from the index `count` on, and returns the count behind them. */
  match(words: Uint32Array, keyWord: number, keySize: number, kind: number, found: Target[], count: number): number {
    let end = count
    if (this.#whole !== undefined) found[end++] = this.#whole
    if (!this.#prefixes.isEmpty) end = this.#prefixes.match(words, keyWord, keySize, found, end)
    return this.#isPlain ? end : this.#matchOthers(words, keyWord, keySize, kind, found, end)
  }

  #matchOthers(
    words: Uint32Array,
    keyWord: number,
    keySize: number,
    kind: number,
    found: Target[],
    count: number,
  ): number {
    let end = count
    if (!this.#keys.isEmpty) end = this.#keys.match(words, keyWord, keySize, found, end)
    const ofKind = kind === KIND_PUT ? this.#puts : this.#deletes
    return ofKind === undefined ? end : ofKind.match(words, keyWord, keySize, kind, found, end)
  }

  #noteOthers(): void {
    this.#isPlain = this.#keys.isEmpty && this.#puts === undefined && this.#deletes === undefined
  }

  #of(kind: number): TableRoutes<Target> | undefined {
    return kind === KIND_PUT ? this.#puts : this.#deletes
  }
}
