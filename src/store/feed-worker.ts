// The life of somebody who works off the change feed: passes, one after the other, from the position in the store on. A
// pass ends when it is told to look again, or when something of the store is not there at the moment; then the next one
// begins, from whatever the store says by then. So nothing has to be kept in mind from pass to pass, and a crash is a pass
// that ended.

import type { Hosted } from "../actors/consumers-actor.ts"
import type { Engine } from "../actors/engine.ts"
import {
  CommitUnknown,
  LogUnavailable,
  Overloaded,
  Restarting,
  StorageFailed,
  StoreClosed,
  WriteRejected,
} from "../model/errors.ts"
import { SnapshotExpired, TransactionConflict } from "../model/transaction-errors.ts"
import { abortable } from "./abortable.ts"
import { BackOff } from "./back-off.ts"

/** What a pass ends with: begin another one; wait until somebody says so; or there is nothing left to do, ever. */
export type PassEnd = "again" | "wait" | "over"

/** What the store holds is not what the pass believed any more: it begins again. */
export class Superseded extends Error {
  constructor() {
    super("another one holds the position, or it was moved")
  }
}

/** Between two passes that failed because of the store. */
const PAUSE = { firstMs: 10, mostMs: 5_000 }
const ENDED = new DOMException("the life has ended", "AbortError")
const LOOK_AGAIN = new DOMException("the pass begins again", "AbortError")

export abstract class FeedWorker implements Hosted {
  protected readonly engine: Engine
  readonly #backOff: BackOff
  #life: Promise<void> | undefined
  #pass: AbortController | undefined
  #isEnding = false

  constructor(engine: Engine) {
    this.engine = engine
    this.#backOff = new BackOff(engine.clock, PAUSE, engine.manifest.hashSecret.low)
  }

  abstract get hasFailed(): boolean
  abstract look(): void
  /** One pass. Rejects with the signal's reason, with Superseded, with what passes by itself, or with a defect. */
  protected abstract work(signal: AbortSignal): Promise<PassEnd>
  /** Behind the last pass of a life, while the store may still be written to. */
  protected abstract settle(): Promise<void>
  /** Whether somebody waits for what it does, so that the process must not end meanwhile. */
  protected abstract get isAwaited(): boolean
  /** The work is over for good. */
  protected abstract finished(): void

  get isAlive(): boolean {
    return this.#life !== undefined
  }

  begin(onDefect: (reason: unknown) => void): void {
    this.#isEnding = false
    this.#life = this.#live().catch(onDefect)
  }

  async end(): Promise<void> {
    this.#isEnding = true
    this.#pass?.abort(ENDED)
    await this.#life
    this.#life = undefined
  }

  /** Whatever it does or waits for: it reads its position again. */
  lookAgain(): void {
    this.#pass?.abort(LOOK_AGAIN)
  }

  async #live(): Promise<void> {
    let failures = 0
    for (;;) {
      const signal = this.#nextPass()
      if (signal === undefined) break
      try {
        await abortable(this.engine.ready(), signal)
        const end = await this.work(signal)
        failures = 0
        if (end === "over") return this.finished()
        if (end === "wait") await this.#pause(Promise.withResolvers<never>().promise)
      } catch (error) {
        if (signal.aborted) continue
        if (error instanceof StoreClosed) return
        if (!(error instanceof Superseded) && !passesByItself(error)) throw error
        failures++
        await this.#pause(this.#backOff.wait(failures, undefined, this.isAwaited))
      }
    }
    await this.settle()
  }

  /** The signal of another pass; undefined where there is to be none. What the one before has under way is taken back. */
  #nextPass(): AbortSignal | undefined {
    this.#pass?.abort(LOOK_AGAIN)
    if (this.#isEnding) return undefined
    this.#pass = new AbortController()
    return this.#pass.signal
  }

  /** Waits for something between two passes, or until it is told to look again. */
  async #pause(wait: Promise<void>): Promise<void> {
    const signal = this.#nextPass()
    if (signal !== undefined) await abortable(wait, signal).catch(() => undefined)
  }
}

/** Whether the store mends by itself what an operation failed with, so that it is worth another try as it is. */
export function passesByItself(error: unknown): boolean {
  return (
    error instanceof Restarting ||
    error instanceof CommitUnknown ||
    error instanceof WriteRejected ||
    error instanceof Overloaded ||
    error instanceof LogUnavailable ||
    error instanceof StorageFailed ||
    error instanceof TransactionConflict ||
    error instanceof SnapshotExpired
  )
}
