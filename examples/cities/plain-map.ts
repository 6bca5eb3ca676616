// What many programs do without a database: a Map in memory, and a file that each change is appended to as a line of JSON.
// It is here to be compared with, and is as good as it can be made in a few lines. What it does not do: it never waits for
// the disk, so whatever it has not synced is lost with the power; nor does it mend a torn line, or notice a damaged one.

import { closeSync, fdatasyncSync, openSync, readFileSync, writeSync } from "node:fs"
import { keyOf } from "./data-set.ts"
import type { City } from "./data-set.ts"

export class PlainMap {
  readonly #cities = new Map<string, City>()
  readonly #file: number
  #lines: string[] = []

  /** Opens the file and reads what is there. Requires: it was closed in order. */
  constructor(path: string) {
    this.#file = openSync(path, "a+")
    const lines = readFileSync(this.#file, "utf8").split("\n")
    lines.pop()
    for (const line of lines) {
      const city = JSON.parse(line) as City
      this.#cities.set(keyOf(city), city)
    }
  }

  /** Sets the city. It is neither written nor synced when this returns: see `flush` and `sync`. */
  put(key: string, city: City): void {
    this.#cities.set(key, city)
    this.#lines.push(JSON.stringify(city))
  }

  get(key: string): City | undefined {
    return this.#cities.get(key)
  }

  get size(): number {
    return this.#cities.size
  }

  values(): IterableIterator<City> {
    return this.#cities.values()
  }

  /** Hands the lines to the operating system: from now on they survive the end of this process. */
  flush(): void {
    if (this.#lines.length === 0) return
    const bytes = Buffer.from(`${this.#lines.join("\n")}\n`)
    this.#lines = []
    for (let written = 0; written < bytes.length;) written += writeSync(this.#file, bytes, written)
  }

  /** Waits for the disk: from now on they survive a loss of power. */
  sync(): void {
    this.flush()
    fdatasyncSync(this.#file)
  }

  close(): void {
    this.flush()
    closeSync(this.#file)
  }
}
