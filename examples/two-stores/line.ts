// The line from one of the example's processes to the others: questions, answers, and the news that there will be none.
// Not part of the example's point; a network would do.

import type { Answer, Name, Packet, Question } from "./messages.ts"

export class Line {
  readonly #waiting: Map<number, (answer: Answer | undefined) => void> = new Map()
  readonly #answer: (question: Question) => Promise<Answer>
  #calls = 0
  #fatalStep: string | undefined

  /** `answer`: what this process does when it is asked. What it throws ends the process. */
  constructor(answer: (question: Question) => Promise<Answer>) {
    this.#answer = answer
    process.on("message", (packet: Packet) => this.#take(packet))
    process.on("disconnect", () => process.exit(0))
    this.#send({ kind: "ready" })
  }

  /** Undefined: whoever was asked is gone, and may or may not have done it. */
  ask(to: Name, question: Question): Promise<Answer | undefined> {
    const call = this.#calls++
    return new Promise((resolve) => {
      this.#waiting.set(call, resolve)
      this.#send({ kind: "question", to, call, question })
    })
  }

  /** Dies here, as hard as a process can, where that was asked for. */
  step(name: string): void {
    if (this.#fatalStep === name) process.kill(process.pid, "SIGKILL")
  }

  #take(packet: Packet): void {
    if (packet.kind === "die") this.#fatalStep = packet.step
    else if (packet.kind === "question") {
      void this.#answer(packet.question).then((answer) => this.#send({ kind: "answer", call: packet.call, answer }))
    } else if (packet.kind === "answer" || packet.kind === "lost") {
      this.#waiting.get(packet.call)?.(packet.kind === "answer" ? packet.answer : undefined)
      this.#waiting.delete(packet.call)
    }
  }

  #send(packet: Packet): void {
    // Who started this process may be on his way out.
    process.send?.(packet, undefined, undefined, () => undefined)
  }
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
