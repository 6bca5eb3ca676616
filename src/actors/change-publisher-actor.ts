// The actor between the log and its subscribers: while it lives, durable frames reach the change feed. Subscriptions
// outlive it; when it comes back they go on from where they were, out of the log.

import { invariant } from "../model/invariant.ts"
import { Actor } from "./actor.ts"
import type { EngineContext } from "./engine-context.ts"

export class ChangePublisherActor extends Actor<never> {
  /** Whether frames are passed on. Changed only by start and stop. */
  isUp = false
  readonly #engine: EngineContext

  constructor(engine: EngineContext) {
    super({ name: "change-publisher" })
    this.#engine = engine
  }

  protected override receive(): void {
    invariant(false, "the publisher has no other messages than frames")
  }

  protected override start(): void {
    this.isUp = true
    this.#engine.connectFeed()
    this.#engine.noteActorChange()
  }

  protected override stop(): void {
    this.isUp = false
    this.#engine.feed.disconnect()
    this.#engine.noteActorChange()
  }
}
