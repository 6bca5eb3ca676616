// How many subscriptions may read the log at the same time. Each reader holds an open file and a buffer: without a bound,
// a thousand subscriptions that fall behind together would exhaust the process's files. First come, first served.

export class ReadSlots {
  #free: number
  readonly #waiting: (() => void)[] = []

  constructor(count: number) {
    this.#free = count
  }

  /** Whether somebody waits: whoever reads should end soon. */
  get isContended(): boolean {
    return this.#waiting.length > 0
  }

  /** Resolves when the caller may read. Each call is followed by one `give`. */
  async take(): Promise<void> {
    if (this.#free > 0) {
      this.#free--
      return
    }
    await new Promise<void>((resolve) => {
      this.#waiting.push(resolve)
    })
  }

  /** Hands the slot to the next in line, if there is one. */
  give(): void {
    const next = this.#waiting.shift()
    if (next === undefined) this.#free++
    else next()
  }
}
