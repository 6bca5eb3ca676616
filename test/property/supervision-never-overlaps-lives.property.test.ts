// A tree of two levels whose children take their time to start and to stop, under schedules that are plain data. No
// model: only what must hold at every moment, and at the end.

import fc from "fast-check"
import { expect, test } from "vitest"
import type { ChildSpecification, Strategy, SupervisorSpecification } from "../../src/actors/child-specification.ts"
import { startTree } from "../../src/actors/supervision-tree.ts"
import { SimulatedClock } from "../../src/simulation/simulated-clock.ts"
import { ScriptedChild, settle } from "../actors/scripted-child.ts"

const CHILD_COUNT = 5

interface Step {
  readonly kind: "crash" | "exit" | "kill" | "ready" | "release" | "slowStart" | "slowStop" | "failStart" | "killInner"
  readonly child: number
  readonly settles: boolean
}

const strategy: fc.Arbitrary<Strategy> = fc.constantFrom("one_for_one", "one_for_all", "rest_for_one")
const stepArbitrary: fc.Arbitrary<Step> = fc.record({
  kind: fc.constantFrom("crash", "exit", "kill", "ready", "release", "slowStart", "slowStop", "failStart", "killInner"),
  child: fc.nat(CHILD_COUNT - 1),
  settles: fc.boolean(),
})

/** Children 1 to 3 are under a supervisor of their own, between 0 and 4. */
function specificationOf(
  children: readonly ScriptedChild[],
  outer: Strategy,
  inner: Strategy,
): SupervisorSpecification {
  const [first, ...others] = children.map((child) => child.specification({ shutdown: "infinity" }))
  const last = others.pop()
  const below: SupervisorSpecification = {
    id: "inner",
    type: "supervisor",
    strategy: inner,
    intensity: 3,
    children: others,
  }
  const all: readonly (ChildSpecification | undefined)[] = [first, below, last]
  return {
    id: "root",
    type: "supervisor",
    strategy: outer,
    intensity: 8,
    children: all.filter((child) => child !== undefined),
  }
}

test("no child lives twice at a time, groups start in order, and nothing is left at the end", async () => {
  await fc.assert(
    fc.asyncProperty(
      strategy,
      strategy,
      fc.array(stepArbitrary, { maxLength: 60, size: "max" }),
      async (outer, inner, steps) => {
        const log: string[] = []
        const clock = new SimulatedClock()
        const children = Array.from({ length: CHILD_COUNT }, (_, index) => new ScriptedChild(String(index), log))
        const tree = await startTree(specificationOf(children, outer, inner), clock)
        for (const { kind, child, settles } of steps) {
          const target = children[child]
          if (target === undefined) continue
          if (kind === "crash") target.crash("crashed")
          else if (kind === "exit") target.exit()
          else if (kind === "kill")
            tree.kill(child === 0 || child === 4 ? `root/${child}` : `root/inner/${child}`, "killed")
          else if (kind === "killInner") tree.kill("root/inner", "killed")
          else if (kind === "ready") target.ready()
          else if (kind === "release") target.release()
          else if (kind === "slowStart") target.isReadyAtOnce = !target.isReadyAtOnce
          else if (kind === "slowStop") target.isSlowToStop = !target.isSlowToStop
          else target.startFailures.push("refused")
          if (settles) await settle()
          const starting = tree.children().filter(({ type, status }) => type === "worker" && status === "starting")
          expect(starting.length).toBeLessThanOrEqual(2) // One a supervisor.
        }
        for (const child of children) {
          child.isReadyAtOnce = true
          child.isSlowToStop = false
        }
        // Everything that hangs is let go, as often as it takes; each round ends at least one wait.
        for (let round = 0; round < 4 * CHILD_COUNT; round++) {
          for (const child of children) {
            child.ready()
            child.release()
          }
          await settle()
        }
        const hasEnded = tree.children()[0]?.status === "stopped"
        expect(children.map(({ aliveCount }) => aliveCount)).toEqual(children.map(() => (hasEnded ? 0 : 1)))
        expect(tree.children().map(({ status }) => status)).toEqual(
          tree.children().map(() => (hasEnded ? "stopped" : "running")),
        )
        await tree.stop()
        expect(children.map(({ aliveCount }) => aliveCount)).toEqual(children.map(() => 0))
        expect(log.filter((line) => line.includes("twice"))).toEqual([])
        expect(clock.nextDueMs).toBeUndefined()
        expectGroupsInOrder(log, inner)
      },
    ),
    { numRuns: 250 },
  )
})

/** Under one_for_all and rest_for_one a child never begins while a later sibling is alive. */
function expectGroupsInOrder(log: readonly string[], inner: Strategy): void {
  if (inner === "one_for_one") return
  const alive = new Set<number>()
  for (const line of log) {
    const child = Number(line.slice(1))
    if (child < 1 || child > 3) continue
    if (line.startsWith("+")) {
      expect([...alive].filter((other) => other > child)).toEqual([])
      alive.add(child)
    } else alive.delete(child)
  }
}
