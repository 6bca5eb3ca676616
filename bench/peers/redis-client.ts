// A client of Redis that knows no more than benchmarks need: commands as arrays of texts, pipelined as they come, and answers
// of the protocol RESP2 in their order. Commands of one turn go out in one write, as well-kept clients do.

import { connect } from "node:net"
import type { Socket } from "node:net"

/** A text, a number, nothing, or a list of these. */
export type Reply = string | number | null | readonly Reply[]

interface Waiter {
  readonly resolve: (reply: Reply) => void
  readonly reject: (reason: Error) => void
}

/** What a server answered with an error. */
class RedisError extends Error {}

export class RedisClient {
  readonly #socket: Socket
  /** Calls without an answer, oldest first, from `#answered` on. */
  #waiters: Waiter[] = []
  #answered = 0
  #outgoing: string[] = []
  #incoming: Buffer = Buffer.alloc(0)

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.setNoDelay(true)
    socket.on("data", (chunk: Buffer) => this.#receive(chunk))
    socket.on("close", () => this.#fail(new Error("the connection to Redis was closed")))
    socket.on("error", (error) => this.#fail(error))
  }

  static open(port: number): Promise<RedisClient> {
    return new Promise((resolve, reject) => {
      const socket = connect({ host: "127.0.0.1", port })
      socket.once("error", reject)
      socket.once("connect", () => {
        socket.off("error", reject)
        resolve(new RedisClient(socket))
      })
    })
  }

  call(...words: readonly string[]): Promise<Reply> {
    let command = `*${words.length}\r\n`
    for (const word of words) command += `$${Buffer.byteLength(word)}\r\n${word}\r\n`
    if (this.#outgoing.push(command) === 1) process.nextTick(() => this.#send())
    return new Promise((resolve, reject) => this.#waiters.push({ resolve, reject }))
  }

  close(): void {
    this.#socket.destroy()
  }

  #send(): void {
    this.#socket.write(this.#outgoing.join(""))
    this.#outgoing = []
  }

  #receive(chunk: Buffer): void {
    this.#incoming = this.#incoming.length === 0 ? chunk : Buffer.concat([this.#incoming, chunk])
    let position = 0
    for (;;) {
      const parsed = parse(this.#incoming, position)
      if (parsed === undefined) break
      position = parsed.end
      const waiter = this.#waiters[this.#answered++]
      if (parsed.reply instanceof RedisError) waiter?.reject(parsed.reply)
      else waiter?.resolve(parsed.reply)
    }
    this.#incoming = this.#incoming.subarray(position)
    if (this.#answered < 4_096 && this.#answered < this.#waiters.length) return
    this.#waiters = this.#waiters.slice(this.#answered)
    this.#answered = 0
  }

  #fail(reason: Error): void {
    for (const { reject } of this.#waiters.splice(this.#answered)) reject(reason)
  }
}

interface Parsed {
  readonly reply: Reply | RedisError
  readonly end: number
}

/** The answer that begins at a position; undefined where not all of it is there. */
function parse(source: Buffer, start: number): Parsed | undefined {
  const lineEnd = source.indexOf("\r\n", start)
  if (lineEnd < 0) return undefined
  const line = source.latin1Slice(start + 1, lineEnd)
  const next = lineEnd + 2
  switch (String.fromCharCode(source[start] ?? 0)) {
    case "+":
      return { reply: line, end: next }
    case "-":
      return { reply: new RedisError(line), end: next }
    case ":":
      return { reply: Number(line), end: next }
    case "$": {
      const size = Number(line)
      if (size < 0) return { reply: null, end: next }
      if (source.length < next + size + 2) return undefined
      return { reply: source.utf8Slice(next, next + size), end: next + size + 2 }
    }
    case "*":
      return parseList(source, next, Number(line))
    default:
      throw new Error(`Redis answers with something unknown: ${line}`)
  }
}

function parseList(source: Buffer, start: number, count: number): Parsed | undefined {
  if (count < 0) return { reply: null, end: start }
  const list: Reply[] = []
  let position = start
  while (list.length < count) {
    const parsed = parse(source, position)
    if (parsed === undefined) return undefined
    if (parsed.reply instanceof RedisError) return parsed
    list.push(parsed.reply)
    position = parsed.end
  }
  return { reply: list, end: position }
}
