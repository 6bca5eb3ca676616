// Reference executors: they make histories that are isolated by construction, with operations of several processes
// interleaved at random, aborts, and operations whose outcome nobody learns. What they record is true; tests that need a
// wrong history change it afterwards.

import { SimulatedRandom } from "../../src/simulation/simulated-random.ts"
import { Recorder } from "../../src/testing/check-recorder.ts"
import type { Recording } from "../../src/testing/check-recorder.ts"
import type { ListHistory, ListOperation } from "../../src/testing/check-transactions.ts"

export interface ExecutorOptions {
  readonly seed: number
  readonly transactions: number
  /** `serial`: each at one moment. `snapshot`: reads at its begin, appends at its end. `committed`: each read when it comes. */
  readonly isolation: "serial" | "snapshot" | "committed"
  readonly processes?: number
  readonly keys?: number
  readonly operationsMax?: number
  /** A key is replaced by a new one after so many appends. */
  readonly appendsPerKey?: number
  /** Of a hundred transactions. */
  readonly aborts?: number
  readonly unknowns?: number
}

type Lists = Map<string, readonly number[]>

interface Running {
  readonly recording: Recording<readonly ListOperation[], readonly ListOperation[]>
  readonly asked: readonly ListOperation[]
  readonly done: ListOperation[]
  readonly own: Map<string, number[]>
  snapshot: Lists | undefined
  phase: "begun" | "reading" | "done" | "failed"
}

export function execute(options: ExecutorOptions): ListHistory {
  return new Executor(options).run()
}

class Executor {
  readonly #options: Required<ExecutorOptions>
  readonly #random: SimulatedRandom
  readonly #recorder = new Recorder<readonly ListOperation[], readonly ListOperation[]>()
  readonly #lists: Lists = new Map()
  readonly #keys: string[]
  readonly #appendsTo = new Map<string, number>()
  readonly #running: (Running | undefined)[]
  /** Their process has given up waiting for them; they may still take effect. */
  readonly #orphans: Running[] = []
  #nextValue = 1
  #nextKey = 0

  constructor(options: ExecutorOptions) {
    this.#options = {
      processes: 5,
      keys: 4,
      operationsMax: 4,
      appendsPerKey: 16,
      aborts: 0,
      unknowns: 0,
      ...options,
    }
    this.#random = new SimulatedRandom(options.seed)
    this.#keys = Array.from({ length: this.#options.keys }, () => `k${this.#nextKey++}`)
    this.#running = new Array(this.#options.processes)
  }

  run(): ListHistory {
    let begun = 0
    let open = 0
    while (begun < this.#options.transactions || open > 0) {
      if (this.#orphans.length > 0 && this.#random.chance(8)) this.#finishOrphan()
      const process = this.#random.below(this.#options.processes)
      const running = this.#running[process]
      if (running !== undefined) {
        if (!this.#advance(running)) continue
        this.#running[process] = undefined
        open--
      } else if (begun < this.#options.transactions) {
        this.#running[process] = this.#begin(process)
        begun++
        open++
      }
    }
    while (this.#orphans.length > 0) this.#finishOrphan()
    return this.#recorder.history()
  }

  #begin(process: number): Running {
    const asked = Array.from({ length: 1 + this.#random.below(this.#options.operationsMax) }, () => this.#operation())
    return {
      recording: this.#recorder.begin(process, asked),
      asked,
      done: [],
      own: new Map(),
      snapshot: undefined,
      phase: "begun",
    }
  }

  #operation(): ListOperation {
    const place = this.#random.below(this.#keys.length)
    const key = this.#keys[place] ?? ""
    if (this.#random.chance(2)) return { kind: "read", key }
    const count = (this.#appendsTo.get(key) ?? 0) + 1
    this.#appendsTo.set(key, count)
    if (count === this.#options.appendsPerKey) this.#keys[place] = `k${this.#nextKey++}`
    return { kind: "append", key, value: this.#nextValue++ }
  }

  /** One step of a transaction; true when its process knows the outcome, or has given up. */
  #advance(running: Running): boolean {
    if (running.phase === "begun" && this.#random.below(100) < this.#options.unknowns) {
      running.recording.unknown(new Error("no answer"))
      this.#orphans.push(running)
      return true
    }
    if (running.phase === "begun" || running.phase === "reading") {
      this.#work(running)
      return false
    }
    if (running.phase === "failed") running.recording.fail(new Error("aborted"))
    else running.recording.complete(running.done)
    return true
  }

  #finishOrphan(): void {
    const place = this.#random.below(this.#orphans.length)
    const [orphan] = this.#orphans.splice(place, 1)
    // Half of them never take effect.
    if (orphan === undefined || this.#random.chance(2)) return
    while (orphan.phase === "begun" || orphan.phase === "reading") this.#work(orphan)
  }

  #work(running: Running): void {
    const { isolation, aborts } = this.#options
    if (isolation === "serial") {
      while (running.done.length < running.asked.length) this.#step(running, this.#lists)
    } else if (running.phase === "begun") {
      running.snapshot = isolation === "snapshot" ? new Map(this.#lists) : this.#lists
      running.phase = "reading"
      return
    } else if (running.done.length < running.asked.length) {
      this.#step(running, running.snapshot ?? this.#lists)
      return
    }
    const isConflict =
      isolation === "snapshot" &&
      [...running.own.keys()].some((key) => this.#lists.get(key) !== running.snapshot?.get(key))
    if (isConflict || this.#random.below(100) < aborts) {
      running.phase = "failed"
      return
    }
    for (const [key, values] of running.own) this.#lists.set(key, [...(this.#lists.get(key) ?? []), ...values])
    running.phase = "done"
  }

  #step(running: Running, lists: Lists): void {
    const operation = running.asked[running.done.length]
    if (operation === undefined) return
    const key = String(operation.key)
    if (operation.kind === "append") {
      const own = running.own.get(key)
      if (own === undefined) running.own.set(key, [Number(operation.value)])
      else own.push(Number(operation.value))
      running.done.push(operation)
    } else {
      const own = running.own.get(key)
      const seen = lists.get(key) ?? []
      running.done.push({ kind: "read", key, values: own === undefined ? seen : [...seen, ...own] })
    }
  }
}
