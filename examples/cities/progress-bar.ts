// Shows how work gets on: on a terminal as a bar that is redrawn in place, with a note below it; elsewhere as a plain line
// at each tenth of the way and after each second.

import type { WriteStream } from "node:tty"

const BAR_WIDTH = 24
const REDRAW_INTERVAL_MS = 100
const LINE_INTERVAL_MS = 1000
/** Moves the cursor up by so many lines, and erases all from there on. */
const eraseLines = (count: number): string => (count === 0 ? "" : `\u001B[${count}A\u001B[J`)

export class ProgressBar {
  readonly #total: number
  readonly #output: WriteStream
  #count: number
  #note = ""
  #shownCount: number
  #shownMs: number
  /** On the terminal, to be erased with the next drawing. */
  #lineCount = 0
  /** The first update: what was done before it, and the time before it, do not count for the rate. */
  #start: { readonly count: number; readonly ms: number } | undefined

  constructor(total: number, count = 0, output: WriteStream = process.stdout) {
    this.#total = total
    this.#output = output
    this.#count = count
    this.#shownCount = count
    this.#shownMs = performance.now()
    if (output.isTTY) this.#show()
  }

  update(count: number, note = ""): void {
    this.#count = count
    this.#note = note
    this.#start ??= { count, ms: performance.now() }
    const sinceMs = performance.now() - this.#shownMs
    const tenths = (done: number): number => Math.floor((done / this.#total) * 10)
    const isDue = this.#output.isTTY
      ? sinceMs >= REDRAW_INTERVAL_MS
      : tenths(count) > tenths(this.#shownCount) || sinceMs >= LINE_INTERVAL_MS
    if (isDue) this.#show()
  }

  /** Shows the last state, and leaves it there. */
  end(): void {
    if (this.#output.isTTY || this.#count !== this.#shownCount) this.#show()
  }

  #show(): void {
    this.#shownMs = performance.now()
    this.#shownCount = this.#count
    const lines = this.#note === "" ? [this.#text()] : [this.#text(), this.#note]
    if (!this.#output.isTTY) {
      this.#output.write(`  ${lines.join(" · ")}\n`)
      return
    }
    // A line that wraps would be two to erase.
    const shown = lines.map((line) => `  ${line}`.slice(0, this.#output.columns - 1))
    this.#output.write(`${eraseLines(this.#lineCount)}${shown.join("\n")}\n`)
    this.#lineCount = lines.length
  }

  #text(): string {
    const part = this.#count / this.#total
    const filled = Math.round(part * BAR_WIDTH)
    const bar = "#".repeat(filled) + "-".repeat(BAR_WIDTH - filled)
    const percentage = `${Math.floor(part * 100)} %`.padStart(5)
    return `[${bar}] ${percentage}, ${this.#speed()}`
  }

  #speed(): string {
    const start = this.#start
    if (start === undefined || this.#count === start.count) return "starting"
    const rate = (this.#count - start.count) / ((this.#shownMs - start.ms) / 1000)
    return `${Math.round(rate).toLocaleString("en")}/s, ${((this.#total - this.#count) / rate).toFixed(1)} s left`
  }
}
