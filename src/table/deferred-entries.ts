// What an index asks of those who keep entries that are not in it yet. See HashIndex.defer.

/** Whoever has the entries that are not in the index yet. */
export interface DeferredEntries {
  /** Puts those of the range that a mixed hash lies in into the index. */
  enter(mixed: number): void
  /** Puts in those of one more range. False where none is left. */
  enterNext(): boolean
}
