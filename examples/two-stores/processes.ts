// The three processes of the example, and the wires between them: starts each again when it has died, and tells those who
// have asked it that they will not be answered.

import { fork } from "node:child_process"
import type { ChildProcess } from "node:child_process"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import type { Answer, Name, Packet, Question } from "./messages.ts"

type Program = Exclude<Name, "client">

/** What each process runs. */
type Programs = Readonly<Record<Program, URL>>

interface Life {
  readonly child: ChildProcess
  readonly ready: Promise<void>
  /** Of questions that were put to it. */
  readonly unanswered: Map<number, (answer: Answer | undefined) => void>
}

const BANK = new URL("./bank.ts", import.meta.url)
const COORDINATOR = new URL("./coordinator.ts", import.meta.url)
const FILES: Programs = { coordinator: COORDINATOR, west: BANK, east: BANK }

export class Processes {
  /** How often each has died. */
  readonly deaths: Record<Program, number> = { coordinator: 0, west: 0, east: 0 }
  readonly #directory: string
  readonly #files: Programs
  readonly #lives: Map<Program, Life> = new Map()
  #calls = 0
  #isStopping = false

  private constructor(directory: string, files: Programs) {
    this.#directory = directory
    this.#files = files
  }

  /** `files`: other ones than those beside this, where the programs are bundled. */
  static async start(directory: string, files: Programs = FILES): Promise<Processes> {
    const processes = new Processes(directory, files)
    const names = Object.keys(files) as Program[]
    for (const name of names) processes.#begin(name)
    for (const name of names) await processes.#lives.get(name)?.ready
    return processes
  }

  /** Puts a question as the client. Undefined: whoever was asked died over it. */
  ask(to: Program, question: Question): Promise<Answer | undefined> {
    return this.#deliver(to, question)
  }

  /** Lets the process die, by SIGKILL, when it comes to that step next. */
  dieAt(name: Program, step: string): void {
    this.#lives.get(name)?.child.send({ kind: "die", step } satisfies Packet)
  }

  async stop(): Promise<void> {
    this.#isStopping = true
    await Promise.all(
      [...this.#lives.values()].map(({ child }) => {
        const gone = new Promise((resolve) => child.once("exit", resolve))
        child.disconnect()
        return gone
      }),
    )
  }

  #begin(name: Program): void {
    const child = fork(fileURLToPath(this.#files[name]), [join(this.#directory, name)], {
      stdio: ["ignore", "inherit", "inherit", "ipc"],
    })
    const ready = Promise.withResolvers<void>()
    const life: Life = { child, ready: ready.promise, unanswered: new Map() }
    this.#lives.set(name, life)
    child.on("message", (packet: Packet) => {
      if (packet.kind === "ready") ready.resolve()
      else if (packet.kind === "answer") {
        life.unanswered.get(packet.call)?.(packet.answer)
        life.unanswered.delete(packet.call)
      } else if (packet.kind === "question") void this.#relay(child, packet)
    })
    child.once("exit", (exitCode) => {
      ready.resolve()
      for (const resolve of life.unanswered.values()) resolve(undefined)
      if (this.#isStopping) return
      if (exitCode !== null) throw new Error(`${name} ended by itself, with ${exitCode}`)
      this.deaths[name]++
      this.#begin(name)
    })
  }

  async #relay(asking: ChildProcess, packet: Packet & { readonly kind: "question" }): Promise<void> {
    const answer = packet.to === "client" ? undefined : await this.#deliver(packet.to, packet.question)
    // Whoever has asked may have died meanwhile; his next life has not asked.
    if (!asking.connected) return
    const { call } = packet
    asking.send(answer === undefined ? { kind: "lost", call } : { kind: "answer", call, answer })
  }

  async #deliver(to: Program, question: Question): Promise<Answer | undefined> {
    const life = this.#lives.get(to)
    await life?.ready
    if (life === undefined || !life.child.connected) return undefined
    const call = this.#calls++
    return new Promise((resolve) => {
      life.unanswered.set(call, resolve)
      life.child.send({ kind: "question", to, call, question } satisfies Packet, (error) => {
        if (error !== null) resolve(undefined)
      })
    })
  }
}
