// Lines of a stream of bytes, in constant memory but for the line itself. The last one needs no end of line.

import { CommandFailure } from "./failure.ts"

/** A longer line can hold no value that a store takes. */
const LINE_SIZE_MAX = 256 * 1024 * 1024
const NEWLINE = 10

export interface TextLine {
  readonly text: string
  /** Counts from 1. */
  readonly number: number
  /** Bytes of the stream up to the end of the line. */
  readonly endBytes: number
}

/** Empty lines are counted, and left out. Fails with: CommandFailure, and what the source fails with. */
export async function* textLines(source: AsyncIterable<Uint8Array>): AsyncGenerator<TextLine, undefined> {
  let parts: Uint8Array[] = []
  let size = 0
  let number = 0
  let endBytes = 0
  for await (const chunk of source) {
    let start = 0
    for (let at = chunk.indexOf(NEWLINE); at >= 0; at = chunk.indexOf(NEWLINE, start)) {
      parts.push(chunk.subarray(start, at))
      endBytes += at + 1 - start
      start = at + 1
      number++
      const text = textOf(parts)
      parts = []
      size = 0
      if (text !== "") yield { text, number, endBytes }
    }
    if (start === chunk.length) continue
    parts.push(chunk.subarray(start))
    size += chunk.length - start
    endBytes += chunk.length - start
    if (size > LINE_SIZE_MAX) {
      const remedy = "Write one record a line"
      throw new CommandFailure("LINE_REFUSED", `line ${number + 1} is longer than ${LINE_SIZE_MAX} bytes`, remedy)
    }
  }
  const text = textOf(parts)
  if (text !== "") yield { text, number: number + 1, endBytes }
}

function textOf(parts: readonly Uint8Array[]): string {
  return Buffer.concat(parts).toString("utf8").trim()
}
