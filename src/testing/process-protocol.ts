// What a program under a crash test says on its standard output, one line each, so that a program in any language can say
// it: "opening", "opened", "begun 17", "acknowledged 17". What follows the word is JSON, or else taken as text. All other
// lines are its own business. Written at once and in order: a line that was read was written before everything that came
// after it, and the system calls of the program show where between its syncs.

import { writeSync } from "node:fs"

const RETRY_MS = 1

/** Says that opening the store begins: from here on a kill hits the recovery. */
export function opening(): void {
  say(["opening"])
}

/** Says that the store is open. */
export function opened(): void {
  say(["opened"])
}

/** Says that these writes are about to be made: after a crash they may be there or not. Values are JSON. */
export function begin(...values: readonly unknown[]): void {
  say(values.map((value) => `begun ${JSON.stringify(value)}`))
}

/** Says that these writes were acknowledged by the store: from here on they must survive. Values are JSON. */
export function acknowledge(...values: readonly unknown[]): void {
  say(values.map((value) => `acknowledged ${JSON.stringify(value)}`))
}

/** What was read so far. */
export class ProtocolReader {
  readonly acknowledged: unknown[] = []
  readonly begun: unknown[] = []
  isOpening = false
  isOpened = false
  #rest: Buffer = Buffer.alloc(0)

  /** Takes what was written next. A line counts when its end is there. */
  take(bytes: Uint8Array): void {
    let rest = this.#rest.length === 0 ? Buffer.from(bytes) : Buffer.concat([this.#rest, bytes])
    for (let end = rest.indexOf(10); end !== -1; end = rest.indexOf(10)) {
      this.#takeLine(rest.toString("utf8", 0, end))
      rest = rest.subarray(end + 1)
    }
    this.#rest = rest
  }

  /** Forgets a line that has no end: another process writes next. */
  cut(): void {
    this.#rest = Buffer.alloc(0)
  }

  /** Begun and not acknowledged. */
  inFlight(): readonly unknown[] {
    const ended = new Set(this.acknowledged.map((value) => JSON.stringify(value)))
    return this.begun.filter((value) => !ended.has(JSON.stringify(value)))
  }

  #takeLine(line: string): void {
    if (line === "opening") this.isOpening = true
    else if (line === "opened") this.isOpened = true
    else if (line.startsWith("begun ")) this.begun.push(valueOf(line.slice("begun ".length)))
    else if (line.startsWith("acknowledged ")) this.acknowledged.push(valueOf(line.slice("acknowledged ".length)))
  }
}

function valueOf(text: string): unknown {
  try {
    return JSON.parse(text) as unknown
  } catch {
    return text
  }
}

function say(lines: readonly string[]): void {
  if (lines.length === 0) return
  const bytes = Buffer.from(`${lines.join("\n")}\n`)
  let written = 0
  while (written < bytes.length) {
    try {
      written += writeSync(1, bytes, written)
    } catch (error) {
      // A pipe that the program has made non-blocking, and that is full: whoever reads it will.
      if ((error as NodeJS.ErrnoException).code !== "EAGAIN") throw error
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, RETRY_MS)
    }
  }
}
