// An actor: a plain object that owns state, a bounded mailbox and `receive(batch)`, one batch at a time. It outlives its
// incarnations: messages told while it is started, busy, suspended or restarted wait in its mailbox, in order.
//
// Guarantees: messages are received in the order in which they were told, whether inline (an idle actor receives on the
// teller's turn) or queued, also with `tell` from inside `receive`; never two batches at once in one incarnation; a
// crash never reaches the teller; the batch in hand when it crashes is redelivered first or handed to `onUndelivered`, by
// declared policy, whole: redelivery is at least once. No Effect value a message. Must not restart itself: `runActor`
// makes its lives, a supervisor decides on them.

import { LimitExceeded } from "../model/errors.ts"
import { invariant } from "../model/invariant.ts"
import { Incarnation } from "./incarnation.ts"
import { Mailbox } from "./mailbox.ts"

export interface ActorOptions {
  /** For errors and traces: "shard-3". */
  readonly name: string
  /** Most messages that wait. Default: 65,536. */
  readonly capacity?: number
  /** Most messages a batch. Default: 256. */
  readonly batchCountMax?: number
  /** What `tell` does when the mailbox is full: return false, or throw LimitExceeded. Default: refuse. */
  readonly whenFull?: "refuse" | "throw"
  /** What becomes of the batch in hand when an incarnation crashes. Default: redeliver. */
  readonly undelivered?: "redeliver" | "reject"
}

/**
 * - `idle`: nothing in hand, nothing waiting; the next message is received inline.
 * - `busy`: a batch in hand.
 * - `suspended`: runs, but takes no messages.
 * - `starting`, `ending`: between lives, one is coming up or going down.
 * - `stopped`: no life.
 * - `retired`: no life, and none to come.
 */
export type ActorStatus = "idle" | "busy" | "suspended" | "starting" | "ending" | "stopped" | "retired"

const MAILBOX_CAPACITY_DEFAULT = 65_536
const BATCH_COUNT_MAX_DEFAULT = 256

export abstract class Actor<M> {
  // Constant after construction.
  readonly name: string
  readonly #mailbox: Mailbox<M>
  readonly #batchCountMax: number
  readonly #throwsWhenFull: boolean
  readonly #redelivers: boolean
  // True only when the incarnation runs, nothing is in hand, waiting or returned, and it is not suspended. `tell` looks
  // at nothing else.
  #isIdle = false
  #isSuspended = false
  #incarnation: Incarnation | undefined
  /** The batch that `receive` has now. */
  #inHand: readonly M[] | undefined
  /** The batch of a crashed incarnation: the next one receives it first. */
  #returned: readonly M[] | undefined
  #retired: { readonly cause: unknown } | undefined

  constructor(options: ActorOptions) {
    this.name = options.name
    this.#mailbox = new Mailbox(options.capacity ?? MAILBOX_CAPACITY_DEFAULT)
    this.#batchCountMax = options.batchCountMax ?? BATCH_COUNT_MAX_DEFAULT
    this.#throwsWhenFull = options.whenFull === "throw"
    this.#redelivers = options.undelivered !== "reject"
    if (!(this.#batchCountMax >= 1)) throw new TypeError(`batchCountMax of ${this.name} must be 1 or more`)
  }

  /** Works through a batch. What it throws, or rejects with, ends this incarnation. */
  protected abstract receive(batch: readonly M[]): void | Promise<void>

  /** Acquires the state of a new incarnation, before its first message. When it fails it has released what it acquired. */
  protected start(): void | Promise<void> {}

  /** Releases what `start` acquired, at the end of an incarnation that started. `crash` is undefined in an orderly stop. */
  protected stop(_crash: { readonly cause: unknown } | undefined): void | Promise<void> {}

  /** Gets the messages that no incarnation will handle, in order. */
  protected onUndelivered(_messages: readonly M[], _cause: unknown): void {}

  get status(): ActorStatus {
    const incarnation = this.#incarnation
    if (incarnation === undefined) return this.#retired === undefined ? "stopped" : "retired"
    if (incarnation.phase !== "running") return incarnation.phase === "starting" ? "starting" : "ending"
    if (this.#inHand !== undefined) return "busy"
    return this.#isSuspended ? "suspended" : "idle"
  }

  /** Messages that wait, those of a crashed batch included. */
  get waitingCount(): number {
    return this.#mailbox.count + (this.#returned?.length ?? 0)
  }

  /**
   * Gives the actor a message: received on this turn if it is idle, else queued. True when it was taken.
   *
   * Fails with: LimitExceeded when the mailbox is full and the actor was made so; the cause of its retirement likewise.
   */
  tell(message: M): boolean {
    if (!this.#isIdle) return this.#enqueue(message)
    this.#isIdle = false
    if (this.#deliver([message])) this.#drain()
    return true
  }

  /** Takes no more messages until `resume`; the batch in hand is worked through. */
  suspend(): void {
    this.#isSuspended = true
    this.#isIdle = false
  }

  /** Takes messages again: those that waited, on this turn. */
  resume(): void {
    if (!this.#isSuspended) return
    this.#isSuspended = false
    this.#drain()
  }

  /**
   * Ends the present incarnation as a crash with this reason. False when there is none, or it is ending already. The
   * work in flight is waited for, without a bound; a kill through the supervision tree has the shutdown time as one.
   */
  kill(reason: unknown): boolean {
    return this.#incarnation?.end({ kind: "crash", cause: reason }) ?? false
  }

  /** Ends the present incarnation in order, after the batch in hand; to its supervisor it is a normal exit. */
  protected finish(): void {
    this.#incarnation?.end({ kind: "finish" })
  }

  /**
   * Ends the actor for good: hands over all that waits to `onUndelivered`, and refuses every message from now on.
   *
   * Requires: no life; its supervision tree has ended, or does not restart it any more.
   */
  retire(cause: unknown): void {
    invariant(this.#incarnation === undefined, `actor ${this.name} has no life when it retires`)
    if (this.#retired !== undefined) return
    this.#retired = { cause }
    const waiting = [...(this.#returned ?? []), ...this.#mailbox.take(this.#mailbox.count)]
    this.#returned = undefined
    if (waiting.length > 0) this.onUndelivered(waiting, cause)
  }

  /** Begins a life. For `runActor`; requires that the one before is over. */
  incarnate(ready: () => void): Incarnation {
    invariant(this.#incarnation === undefined, `actor ${this.name} has one life at a time`)
    if (this.#retired !== undefined) throw this.#retired.cause
    const incarnation = new Incarnation({
      start: () => this.start(),
      running: () => {
        ready()
        this.#drain()
      },
      ending: () => {
        this.#isIdle = false
      },
      stop: async (crash) => {
        try {
          this.#giveBack(crash?.cause)
        } finally {
          await this.stop(crash)
        }
      },
      over: (crash) => {
        this.#isIdle = false
        this.#incarnation = undefined
        this.#giveBack(crash?.cause)
      },
    })
    this.#incarnation = incarnation
    incarnation.begin()
    return incarnation
  }

  #enqueue(message: M): boolean {
    if (this.#retired === undefined && this.#mailbox.push(message)) return true
    if (!this.#throwsWhenFull) return false
    if (this.#retired !== undefined) throw this.#retired.cause
    const { capacity } = this.#mailbox
    const remedy = "Send less at a time, or give the actor a larger mailbox"
    throw new LimitExceeded(`the number of messages that wait for ${this.name}`, capacity, capacity + 1, remedy)
  }

  /** Receives what waits, batch by batch, until nothing does or the actor may not take it. */
  #drain(): void {
    const incarnation = this.#incarnation
    while (this.#mayTake(incarnation)) {
      const batch = this.#nextBatch()
      if (batch === undefined) {
        this.#isIdle = true
        return
      }
      if (!this.#deliver(batch)) return
    }
  }

  /** Hands a batch to `receive`. True when it is done with it: neither crashed nor still at work. */
  #deliver(batch: readonly M[]): boolean {
    const incarnation = this.#incarnation
    this.#inHand = batch
    let pending: void | Promise<void>
    try {
      pending = this.receive(batch)
    } catch (cause) {
      incarnation?.end({ kind: "crash", cause })
      return false
    }
    if (pending === undefined) return this.#handled(incarnation)
    const settled = Promise.resolve(pending).then(
      () => {
        if (this.#handled(incarnation)) this.#drain()
      },
      (cause: unknown) => {
        incarnation?.end({ kind: "crash", cause })
      },
    )
    if (incarnation !== undefined) incarnation.inFlight = settled
    return false
  }

  /** False when the life that had the batch was abandoned meanwhile: the batch was given back, another life may run. */
  #handled(incarnation: Incarnation | undefined): boolean {
    if (this.#incarnation !== incarnation) return false
    this.#inHand = undefined
    return true
  }

  #mayTake(incarnation: Incarnation | undefined): boolean {
    return (
      incarnation !== undefined &&
      incarnation === this.#incarnation &&
      incarnation.phase === "running" &&
      this.#inHand === undefined &&
      !this.#isSuspended
    )
  }

  #nextBatch(): readonly M[] | undefined {
    const returned = this.#returned
    if (returned !== undefined) {
      this.#returned = undefined
      return returned
    }
    return this.#mailbox.count === 0 ? undefined : this.#mailbox.take(this.#batchCountMax)
  }

  /** The batch in hand was not handled: the next life gets it, or nobody. */
  #giveBack(cause: unknown): void {
    const batch = this.#inHand
    if (batch === undefined) return
    this.#inHand = undefined
    if (this.#redelivers) this.#returned = batch
    else this.onUndelivered(batch, cause)
  }
}
