// A supervision tree on a stage: a simulated clock, four scripted children, one log of their lives, and the events.

import type { ChildSpecification, Strategy, SupervisorSpecification } from "../../src/actors/child-specification.ts"
import type { SupervisionEvent } from "../../src/actors/supervision-event.ts"
import { startTree, type SupervisionTree } from "../../src/actors/supervision-tree.ts"
import { SimulatedClock } from "../../src/simulation/simulated-clock.ts"
import { ScriptedChild, settle } from "./scripted-child.ts"

export class Scene {
  readonly clock: SimulatedClock = new SimulatedClock()
  readonly log: string[] = []
  readonly events: SupervisionEvent[] = []
  readonly children: Record<"a" | "b" | "c" | "d", ScriptedChild> = {
    a: new ScriptedChild("a", this.log),
    b: new ScriptedChild("b", this.log),
    c: new ScriptedChild("c", this.log),
    d: new ScriptedChild("d", this.log),
  }

  start(specification: SupervisorSpecification): Promise<SupervisionTree> {
    return startTree(specification, this.clock, (event) => this.events.push(event))
  }

  /** Starts a, b and c under one supervisor, and forgets what the start logged. */
  async three(strategy: Strategy, options: Partial<SupervisorSpecification> = {}): Promise<SupervisionTree> {
    const { a, b, c } = this.children
    const children = [a.specification(), b.specification(), c.specification()]
    const tree = await this.start({ id: "root", type: "supervisor", strategy, children, ...options })
    this.forget()
    return tree
  }

  forget(): void {
    this.log.length = 0
    this.events.length = 0
  }

  /** The log since the last call. */
  async logged(): Promise<string> {
    await settle()
    return this.log.splice(0).join(" ")
  }

  kinds(path: string): readonly string[] {
    return this.events.filter((event) => event.path === path).map((event) => event.kind)
  }
}

/** A supervisor of one child. */
export function one(
  child: ChildSpecification,
  options: Partial<SupervisorSpecification> = {},
): SupervisorSpecification {
  return { id: "root", type: "supervisor", strategy: "one_for_one", children: [child], ...options }
}
