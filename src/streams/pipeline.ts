// A pipeline over metadata that somebody keeps alive: RxJS operators from a source to a function. What fails on the way, in
// an operator or in the function, ends this subscription and nothing else; its keeper is told, and decides when it begins
// anew. Each beginning builds the pipeline afresh, so state that led to a failure is gone.

import type { Observable } from "rxjs/internal/Observable"
import { Subscriber } from "rxjs/internal/Subscriber"
import type { Subscription } from "rxjs/internal/Subscription"

/**
 * - `running`: it gets batches.
 * - `waiting`: it failed, or its keeper is down, and will begin anew.
 * - `stopped`: it was stopped, came to its end, or failed too often.
 */
export type PipelineState = "running" | "waiting" | "stopped"

/** A pipeline, for whoever has begun it. */
export interface Pipeline {
  readonly name: string
  readonly state: PipelineState
  /** How often it has failed. */
  readonly failures: number
  /** The last failure. */
  readonly error: unknown
  /** Ends it, for good. Calling it twice is allowed. */
  stop(): void
}

/** What a pipeline is built to: its results. */
export type PipelineSource = Observable<unknown>

export class KeptPipeline implements Pipeline {
  readonly name: string
  failures = 0
  error: unknown
  readonly #build: () => PipelineSource
  readonly #onResult: (result: unknown) => void
  readonly #onFailure: (pipeline: KeptPipeline) => void
  #subscription: Subscription | undefined
  #state: PipelineState = "waiting"

  constructor(
    name: string,
    build: () => PipelineSource,
    onResult: (result: unknown) => void,
    onFailure: (pipeline: KeptPipeline) => void,
  ) {
    this.name = name
    this.#build = build
    this.#onResult = onResult
    this.#onFailure = onFailure
  }

  get state(): PipelineState {
    return this.#state
  }

  /** Begins it, or begins it anew; not where it was stopped, or runs. */
  begin(): void {
    if (this.#state !== "waiting") return
    this.#state = "running"
    const subscriber: Subscriber<unknown> = new Subscriber({
      next: (result: unknown): void => {
        try {
          this.#onResult(result)
        } catch (error) {
          this.#fail(error)
        }
      },
      error: (error: unknown): void => this.#fail(error),
      complete: (): void => this.stop(),
    })
    this.#subscription = subscriber
    try {
      this.#build().subscribe(subscriber)
    } catch (error) {
      this.#fail(error)
    }
  }

  /** Ends it for now. */
  interrupt(): void {
    if (this.#state !== "running") return
    this.#state = "waiting"
    this.#subscription?.unsubscribe()
  }

  stop(): void {
    this.#state = "stopped"
    this.#subscription?.unsubscribe()
  }

  #fail(error: unknown): void {
    if (this.#state !== "running") return
    this.interrupt()
    this.failures++
    this.error = error
    this.#onFailure(this)
  }
}
