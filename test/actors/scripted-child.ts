// A worker under remote control: tests decide when a life is ready, crashes, exits or is slow to stop. It writes each
// life's begin (+) and the release of its scope (-) into a log that it shares with its siblings, and refuses to live
// twice at a time.

import * as Effect from "effect/Effect"
import type { Restart, Run, Shutdown, WorkerSpecification } from "../../src/actors/child-specification.ts"

/** Lets everything run that waits for nothing but its turn. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve))
}

export class ScriptedChild {
  readonly id: string
  readonly log: string[]
  /** A life is ready as soon as it begins; else when `ready` is called. */
  isReadyAtOnce = true
  /** Releasing the scope waits until `release` is called. */
  isSlowToStop = false
  /** What the next lives fail with before they are ready, one each. */
  readonly startFailures: unknown[] = []
  aliveCount = 0
  #ready: (() => void) | undefined
  #end: ((effect: Effect.Effect<void, unknown>) => void) | undefined
  #released: (() => void) | undefined

  constructor(id: string, log: string[]) {
    this.id = id
    this.log = log
  }

  specification(options: { restart?: Restart; shutdown?: Shutdown } = {}): WorkerSpecification {
    return { id: this.id, ...options, run: this.run }
  }

  readonly run: Run = (ready) =>
    Effect.gen({ self: this }, function* () {
      yield* Effect.addFinalizer(() => this.#release())
      this.aliveCount++
      this.log.push(`+${this.id}`)
      if (this.aliveCount > 1) this.log.push(`${this.id} lives twice`)
      if (this.startFailures.length > 0) return yield* Effect.fail(this.startFailures.shift())
      if (this.isReadyAtOnce) ready()
      else this.#ready = ready
      yield* Effect.callback<void, unknown>((resume) => {
        this.#end = resume
      })
    })

  ready(): void {
    this.#ready?.()
  }

  crash(cause: unknown): void {
    this.#finish(Effect.fail(cause))
  }

  throwDefect(defect: unknown): void {
    this.#finish(Effect.die(defect))
  }

  exit(): void {
    this.#finish(Effect.void)
  }

  interruptItself(): void {
    this.#finish(Effect.interrupt)
  }

  release(): void {
    this.#released?.()
  }

  #finish(effect: Effect.Effect<void, unknown>): void {
    const end = this.#end
    this.#end = undefined
    end?.(effect)
  }

  #release(): Effect.Effect<void> {
    const released = Effect.sync(() => {
      this.aliveCount--
      this.log.push(`-${this.id}`)
    })
    if (!this.isSlowToStop) return released
    const permitted = Effect.callback<void>((resume) => {
      this.#released = () => resume(Effect.void)
    })
    return Effect.andThen(permitted, released)
  }
}
