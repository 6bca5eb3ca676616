// The actor that hosts whoever works off the change feed inside the store: named consumers and views. While it lives they
// live; where the log, or anything that it stands behind in the tree, starts anew, they end and begin again, each from the
// position that it has in the store. Once a second it lets them look whether their position wants saving.
//
// Must not know what they do. A defect of one of them is a crash of this actor, to be met by the supervisor; an error that
// somebody's function throws is none, and is met where it is thrown.

import type { Clock, Timer } from "../platform/clock.ts"
import { Actor } from "./actor.ts"

/** Somebody who works off the feed. */
export interface Hosted {
  /** Whether it stands still, and needs an operator. */
  readonly hasFailed: boolean
  /** A life begins. `onDefect` is told what must not happen. */
  begin(onDefect: (reason: unknown) => void): void
  /** The life ends: resolves when nothing of it runs any more. Without one it does nothing. */
  end(): Promise<void>
  /** A second has passed. Must not throw. */
  look(): void
}

const LOOK_MS = 1_000

export class ConsumersActor extends Actor<"look"> {
  readonly #clock: Clock
  readonly #hosted: Set<Hosted> = new Set()
  #isUp = false
  #timer: Timer | undefined

  constructor(clock: Clock) {
    super({ name: "consumers", undelivered: "reject" })
    this.#clock = clock
  }

  /** From now on it lives as long as this actor does. */
  host(hosted: Hosted): void {
    this.#hosted.add(hosted)
    if (this.#isUp) this.#begin(hosted)
  }

  /** Resolves when its life is over; it gets no other. */
  async dismiss(hosted: Hosted): Promise<void> {
    this.#hosted.delete(hosted)
    await hosted.end()
  }

  /** How many stand still. */
  get failedCount(): number {
    let count = 0
    for (const { hasFailed } of this.#hosted) if (hasFailed) count++
    return count
  }

  protected override receive(): void {
    for (const hosted of this.#hosted) hosted.look()
    this.#lookLater()
  }

  protected override start(): void {
    this.#isUp = true
    for (const hosted of this.#hosted) this.#begin(hosted)
    this.#lookLater()
  }

  protected override async stop(): Promise<void> {
    this.#isUp = false
    this.#timer?.cancel()
    await Promise.all(Array.from(this.#hosted, (hosted) => hosted.end()))
  }

  #begin(hosted: Hosted): void {
    hosted.begin((reason) => this.kill(reason))
  }

  #lookLater(): void {
    this.#timer = this.#clock.after(LOOK_MS, () => this.tell("look"))
  }
}
