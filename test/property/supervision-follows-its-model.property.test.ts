// The real supervisor against the fold of supervision-model.ts, over schedules that are plain data: which child crashes,
// exits, is killed or fails to start, how much of that happens before the supervisor gets its turn, and when time moves.

import fc from "fast-check"
import { expect, test } from "vitest"
import type { SupervisorSpecification } from "../../src/actors/child-specification.ts"
import { startTree } from "../../src/actors/supervision-tree.ts"
import { SimulatedClock } from "../../src/simulation/simulated-clock.ts"
import { ScriptedChild, settle } from "../actors/scripted-child.ts"
import { supervise, type ModelSettings, type Observation, type Step } from "./supervision-model.ts"

const settingsArbitrary: fc.Arbitrary<ModelSettings> = fc.record({
  strategy: fc.constantFrom("one_for_one", "one_for_all", "rest_for_one"),
  restarts: fc.array(fc.constantFrom("permanent", "permanent", "transient", "temporary"), {
    minLength: 1,
    maxLength: 5,
  }),
  intensity: fc.constantFrom(0, 1, 3, 10),
  periodMs: fc.constantFrom(100, 1_000),
  backoffMs: fc.constantFrom(0, 0, 30),
})

const child = fc.nat(4)
const stepArbitrary: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constantFrom("crash", "exit", "kill"), child }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant("failStarts"), child, count: fc.integer({ min: 1, max: 3 }) }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("turn") }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("advance"), ms: fc.constantFrom(1, 15, 30, 100, 1_001) }) },
)

async function observe(settings: ModelSettings, steps: readonly Step[]): Promise<Observation> {
  const log: string[] = []
  const clock = new SimulatedClock()
  const children = settings.restarts.map((_, index) => new ScriptedChild(String(index), log))
  const specification: SupervisorSpecification = {
    id: "root",
    type: "supervisor",
    strategy: settings.strategy,
    intensity: settings.intensity,
    periodMs: settings.periodMs,
    backoffMs: () => settings.backoffMs,
    children: children.map((scripted, index) =>
      scripted.specification({ restart: settings.restarts[index] ?? "permanent" }),
    ),
  }
  const tree = await startTree(specification, clock)
  for (const step of steps) {
    const target = "child" in step ? children[step.child % children.length] : undefined
    switch (step.kind) {
      case "turn":
        await settle()
        break
      case "advance":
        await settle()
        clock.advance(step.ms)
        await settle()
        break
      case "failStarts":
        for (let count = 0; count < step.count; count++) target?.startFailures.push("refused")
        break
      case "kill":
        tree.kill(`root/${target?.id}`, "killed")
        break
      case "crash":
        target?.crash("crashed")
        break
      case "exit":
        target?.exit()
    }
  }
  await settle()
  const observation = {
    log: [...log],
    running: children.flatMap(({ aliveCount }, index) => (aliveCount > 0 ? [index] : [])),
    incarnations: tree
      .children()
      .slice(1)
      .map(({ incarnation }) => incarnation),
    escalatedBy: undefined,
  }
  await tree.stop()
  expect(children.map(({ aliveCount }) => aliveCount)).toEqual(children.map(() => 0))
  expect(clock.nextDueMs).toBeUndefined()
  const reason = await tree.ended
  return { ...observation, escalatedBy: reason === undefined ? undefined : Number(reason.child) }
}

test("the supervisor starts, stops and gives up on the same lives in the same order as its model", async () => {
  await fc.assert(
    fc.asyncProperty(
      settingsArbitrary,
      fc.array(stepArbitrary, { maxLength: 40, size: "max" }),
      async (settings, steps) => {
        expect(await observe(settings, steps)).toEqual(supervise(settings, steps))
      },
    ),
    { numRuns: 1_000 },
  )
})

test("the same schedule gives the same lives in the same order, every time", async () => {
  await fc.assert(
    fc.asyncProperty(
      settingsArbitrary,
      fc.array(stepArbitrary, { maxLength: 40, size: "max" }),
      async (settings, steps) => {
        expect(await observe(settings, steps)).toEqual(await observe(settings, steps))
      },
    ),
    { numRuns: 100 },
  )
})

test("the schedules reach escalations, storms of restarts, and children that stay down", () => {
  const observations = fc
    .sample(fc.tuple(settingsArbitrary, fc.array(stepArbitrary, { maxLength: 40, size: "max" })), {
      numRuns: 300,
      seed: 1,
    })
    .map(([settings, steps]) => supervise(settings, steps))
  const share = (predicate: (observation: Observation) => boolean): number =>
    observations.filter(predicate).length / observations.length
  expect(share(({ escalatedBy }) => escalatedBy !== undefined)).toBeGreaterThan(0.1)
  expect(share(({ escalatedBy }) => escalatedBy === undefined)).toBeGreaterThan(0.1)
  expect(share(({ incarnations }) => Math.max(...incarnations) > 5)).toBeGreaterThan(0.1)
  expect(
    share(
      ({ escalatedBy, running, incarnations }) => escalatedBy === undefined && running.length < incarnations.length,
    ),
  ).toBeGreaterThan(0.1)
})
