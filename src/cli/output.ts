// The two streams that a command writes to. Guarantees: lines leave in order; a reader that is slow makes the command
// wait instead of filling memory; a reader that went away (EPIPE) ends the command and is no failure of it.

import { OutputClosed } from "./failure.ts"
import type { FailureReport } from "./failure.ts"

/** Characters that are collected before they are written: a system call for each line of a dump would cost more. */
const COLLECTED_MAX = 64 * 1024

export class Output {
  /** Whether programs read along: one JSON document, or one a line. */
  readonly isJson: boolean
  #collected: string[] = []
  #size = 0
  #failure: Error | undefined
  readonly #onError = (error: Error): void => {
    this.#failure = "code" in error && error.code === "EPIPE" ? new OutputClosed("nobody reads the output") : error
    this.#wake?.()
  }
  #wake: (() => void) | undefined

  constructor(isJson: boolean) {
    this.isJson = isJson
    process.stdout.on("error", this.#onError)
  }

  /** One line of text. To be awaited where it returns a promise: the reader is behind. */
  line(text: string): Promise<void> | undefined {
    this.#collected.push(text, "\n")
    this.#size += text.length + 1
    return this.#size < COLLECTED_MAX ? undefined : this.flush()
  }

  /** A JSON document in one line. */
  document(value: unknown): Promise<void> | undefined {
    return this.line(JSON.stringify(value))
  }

  /** Hands on what was collected, and waits until it was taken. Throws OutputClosed where nobody reads. */
  async flush(): Promise<void> {
    this.#check()
    if (this.#collected.length === 0) return
    const text = this.#collected.join("")
    this.#collected = []
    this.#size = 0
    await new Promise<void>((resolve) => {
      this.#wake = resolve
      process.stdout.write(text, () => resolve())
    })
    this.#wake = undefined
    this.#check()
  }

  #check(): void {
    if (this.#failure !== undefined) throw this.#failure
  }

  /** What went wrong, for people or for programs. */
  failure({ code, summary, remedy }: FailureReport): void {
    // Whatever was begun on standard output stays what it is; the failure is told beside it.
    const text = this.isJson
      ? JSON.stringify({ error: { code, summary, remedy } })
      : `orrery: ${summary}\nremedy: ${remedy}`
    process.stderr.write(`${text}\n`)
  }
}
