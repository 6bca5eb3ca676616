// An actor for tests: keeps what it received, and does on the way what the test told it to.

import { Actor, type ActorOptions } from "../../src/actors/actor.ts"
import { actorChild, type ActorChildOptions } from "../../src/actors/run-actor.ts"
import type { SupervisionEvent } from "../../src/actors/supervision-event.ts"
import { startTree, type SupervisionTree } from "../../src/actors/supervision-tree.ts"
import { SimulatedClock } from "../../src/simulation/simulated-clock.ts"

export class CountingActor extends Actor<number> {
  readonly batches: (readonly number[])[] = []
  readonly undelivered: { readonly messages: readonly number[]; readonly cause: unknown }[] = []
  readonly log: string[] = []
  onReceive: (batch: readonly number[]) => void | Promise<void> = () => {}
  onStart: () => void | Promise<void> = () => {}
  onStop: () => void | Promise<void> = () => {}

  constructor(options: Partial<ActorOptions> = {}) {
    super({ name: "counter", ...options })
  }

  get received(): readonly number[] {
    return this.batches.flat()
  }

  end(): void {
    this.finish()
  }

  protected override start(): void | Promise<void> {
    this.log.push("start")
    return this.onStart()
  }

  protected override stop(crash: { readonly cause: unknown } | undefined): void | Promise<void> {
    this.log.push(crash === undefined ? "stop" : `stop after ${String(crash.cause)}`)
    return this.onStop()
  }

  protected override receive(batch: readonly number[]): void | Promise<void> {
    this.batches.push(batch)
    return this.onReceive(batch)
  }

  protected override onUndelivered(messages: readonly number[], cause: unknown): void {
    this.undelivered.push({ messages, cause })
  }
}

/** The actor alone under a supervisor, on a clock of its own. */
export class Watch {
  readonly clock: SimulatedClock = new SimulatedClock()
  readonly events: SupervisionEvent[] = []

  run(actor: CountingActor, options: ActorChildOptions = {}): Promise<SupervisionTree> {
    const children = [actorChild(actor, options)]
    const listener = (event: SupervisionEvent): unknown => this.events.push(event)
    return startTree({ id: "root", type: "supervisor", strategy: "one_for_one", children }, this.clock, listener)
  }
}

/** The next batch crashes the actor, those after it do not. */
export function crashOnce(actor: CountingActor, cause: unknown): void {
  actor.onReceive = () => {
    actor.onReceive = () => {}
    throw cause
  }
}
