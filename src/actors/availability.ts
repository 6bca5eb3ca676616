// What the store can do at the moment: its state, who is told when that changes, who waits until all is up, and which
// error whoever cannot be served gets. Changed only by the engine.

import { type OrreryError, Restarting, StoreClosed, WriteRejected } from "../model/errors.ts"
import type { StoreState, StoreStatus } from "./store-status.ts"

interface Waiter {
  readonly resolve: () => void
  readonly reject: (reason: unknown) => void
}

export class Availability {
  /** Called behind every change. */
  onChange: (status: StoreStatus) => void = () => undefined
  readonly #tell: (status: StoreStatus) => void
  #status: StoreStatus = { state: "opening", reason: undefined }
  #waiters: Waiter[] = []

  /** `tell` is called before `onChange`. */
  constructor(tell: (status: StoreStatus) => void) {
    this.#tell = tell
  }

  get status(): StoreStatus {
    return this.#status
  }

  set(state: StoreState, reason?: OrreryError): void {
    if (state === this.#status.state && reason === this.#status.reason) return
    this.#status = { state, reason }
    this.#tell(this.#status)
    this.onChange(this.#status)
  }

  /** Whoever waits is served. */
  serve(): void {
    for (const waiter of this.#waiters.splice(0)) waiter.resolve()
  }

  /** For good. Whoever waits fails. Returns what with. */
  end(reason: OrreryError | undefined): OrreryError {
    this.set("closed", reason)
    const error = this.closedError()
    for (const waiter of this.#waiters.splice(0)) waiter.reject(error)
    return error
  }

  /** Resolves when every actor is up, or the store is read-only. Fails with: StoreClosed. */
  ready(isUp: boolean): Promise<void> {
    const { state } = this.#status
    if (isUp || state === "read-only") return Promise.resolve()
    if (state === "closed") return Promise.reject(this.closedError())
    return new Promise((resolve, reject) => this.#waiters.push({ resolve, reject }))
  }

  /** Why a part that is needed is not there. */
  unavailable(actor: string): OrreryError {
    const { state } = this.#status
    return state === "closed" || state === "closing" ? this.closedError() : new Restarting(actor)
  }

  closedError(): OrreryError {
    const { reason } = this.#status
    if (reason === undefined) return new StoreClosed("it was closed by its user", "Open it again")
    return new StoreClosed(`it gave up: ${reason.summary}`, "Mend the cause, then open it again", reason)
  }

  /** Why a write cannot be taken now, if it cannot even wait. */
  refusal(): OrreryError | undefined {
    const { state, reason } = this.#status
    if (state === "closed" || state === "closing") return this.closedError()
    if (state !== "read-only") return undefined
    return new WriteRejected("the disk is full", "Make room; the store accepts writes again by itself", reason)
  }
}
