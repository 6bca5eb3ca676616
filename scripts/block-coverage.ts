// What V8 counted, put together: of one source file over many processes, the pieces that none of them ran. V8 counts
// blocks: the sides of a condition, what stands behind `??` and `&&`, a body, a handler. Node takes the types out of a file
// by writing blanks over them, so that a place in what ran is the same place in the source.

/** As V8 writes it into a file of NODE_V8_COVERAGE; only what is used here. */
export interface RawCoverage {
  readonly result: readonly {
    readonly url: string
    readonly functions: readonly {
      readonly ranges: readonly { readonly startOffset: number; readonly endOffset: number; readonly count: number }[]
    }[]
  }[]
}

/** A part of a source file that nothing ran. */
export interface Piece {
  readonly line: number
  /** Its text, in one line. */
  readonly text: string
}

/** Which blocks of one file ran. */
export class FileCoverage {
  readonly #source: string
  /** By character: whether some process ran it. */
  readonly #hasRun: Uint8Array
  readonly #blocks = new Map<string, boolean>()

  constructor(source: string) {
    this.#source = source
    this.#hasRun = new Uint8Array(source.length)
  }

  add(functions: RawCoverage["result"][number]["functions"]): void {
    const ran = new Uint8Array(this.#source.length).fill(1)
    // From the outside in: V8 gives a function before those within it, and a block before its parts.
    const ranges = functions.flatMap((one) => one.ranges)
    ranges.sort((one, other) => one.startOffset - other.startOffset || other.endOffset - one.endOffset)
    for (const { startOffset, endOffset, count } of ranges) {
      ran.fill(count > 0 ? 1 : 0, startOffset, endOffset)
      const key = `${startOffset} ${endOffset}`
      this.#blocks.set(key, this.#blocks.get(key) === true || count > 0)
    }
    for (let index = 0; index < ran.length; index++) if (ran[index] === 1) this.#hasRun[index] = 1
  }

  /** All blocks that V8 told of, and those of them that ran. */
  get blocks(): { readonly all: number; readonly run: number } {
    return { all: this.#blocks.size, run: [...this.#blocks.values()].filter(Boolean).length }
  }

  /** What nothing ran, in order, without comments and bare brackets. */
  pieces(): Piece[] {
    const found: Piece[] = []
    for (let start = 0; start < this.#source.length;) {
      if (this.#hasRun[start] === 1) {
        start++
        continue
      }
      let end = start
      while (end < this.#source.length && this.#hasRun[end] === 0) end++
      const raw = this.#source.slice(start, end)
      const text = raw
        .replace(/\/\/.*$/gm, "")
        .replace(/\s+/g, " ")
        .trim()
      const line = this.#source.slice(0, start + raw.search(/\S|$/)).split("\n").length
      if (/[\p{L}\p{N}]/u.test(text)) found.push({ line, text })
      start = end
    }
    return found
  }
}
