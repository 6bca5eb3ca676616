// What an actor promises of its messages over any number of lives: told order is handling order, nothing is lost, and
// nothing is handled twice unless a crash took its batch. Schedules are plain data.

import fc from "fast-check"
import { expect, test } from "vitest"
import { actorChild } from "../../src/actors/run-actor.ts"
import { startTree } from "../../src/actors/supervision-tree.ts"
import { SimulatedClock } from "../../src/simulation/simulated-clock.ts"
import { CountingActor } from "../actors/counting-actor.ts"
import { settle } from "../actors/scripted-child.ts"

type Step = "tell" | "kill" | "suspend" | "resume" | "finishWork" | "failWork" | "settle" | "slowStart"
type Reaction = "handle" | "crash" | "work" | "tellItself" | "tellAndCrash" | "suspendItself" | "killItself"

const stepArbitrary = fc.constantFrom<Step[]>(
  "tell",
  "tell",
  "tell",
  "tell",
  "kill",
  "suspend",
  "resume",
  "finishWork",
  "failWork",
  "settle",
  "settle",
  "settle",
  "slowStart",
)
const reactionArbitrary = fc.constantFrom<Reaction[]>(
  "handle",
  "handle",
  "crash",
  "work",
  "tellItself",
  "tellAndCrash",
  "suspendItself",
  "killItself",
)

interface Outcome {
  readonly told: readonly number[]
  readonly handled: readonly number[]
  readonly undelivered: readonly number[]
  readonly crashCount: number
  readonly refusedCount: number
}

async function play(
  undelivered: "redeliver" | "reject",
  capacity: number,
  steps: readonly Step[],
  reactions: readonly Reaction[],
): Promise<Outcome> {
  const actor = new CountingActor({ undelivered, capacity, batchCountMax: 3 })
  const told: number[] = []
  const handled: number[] = []
  const pendingReactions = [...reactions]
  let work: PromiseWithResolvers<void> | undefined
  let startGate: PromiseWithResolvers<void> | undefined
  let batchesInHand = 0
  let next = 0
  let refusedCount = 0
  const tell = (): void => {
    const message = next++
    told.push(message)
    if (actor.tell(message)) return
    told.splice(told.indexOf(message), 1)
    refusedCount++
  }
  actor.onReceive = (batch) => {
    expect(++batchesInHand).toBe(1)
    const handle = (): void => {
      batchesInHand--
      handled.push(...batch)
    }
    const fail = (): never => {
      batchesInHand--
      throw new Error("crash on purpose")
    }
    const reaction = pendingReactions.shift() ?? "handle"
    if (reaction === "crash") fail()
    if (reaction === "work") {
      work = Promise.withResolvers<void>()
      return work.promise.then(handle, fail)
    }
    if (reaction === "tellItself" || reaction === "tellAndCrash") tell()
    if (reaction === "tellAndCrash") fail()
    if (reaction === "suspendItself") actor.suspend()
    if (reaction === "killItself") actor.kill("itself")
    handle()
    return undefined
  }
  let crashCount = 0
  const tree = await startTree(
    {
      id: "root",
      type: "supervisor",
      strategy: "one_for_one",
      intensity: 1_000,
      children: [actorChild(actor, { shutdown: "infinity" })],
    },
    new SimulatedClock(),
    ({ kind }) => {
      if (kind === "crashed") crashCount++
    },
  )
  for (const step of steps) {
    if (step === "tell") tell()
    else if (step === "kill") tree.kill("root/counter", "killed")
    else if (step === "suspend") actor.suspend()
    else if (step === "resume") actor.resume()
    else if (step === "finishWork") work?.resolve()
    else if (step === "failWork") work?.reject(new Error("failed on purpose"))
    else if (step === "settle") await settle()
    else {
      startGate?.resolve()
      startGate = Promise.withResolvers<void>()
      actor.onStart = () => startGate?.promise
    }
  }
  actor.onStart = () => {}
  startGate?.resolve()
  pendingReactions.length = 0
  for (let round = 0; actor.waitingCount > 0 || actor.status !== "idle"; round++) {
    expect(round).toBeLessThan(10)
    work?.resolve()
    actor.resume()
    await settle()
  }
  await tree.stop()
  return { told, handled, undelivered: actor.undelivered.flatMap(({ messages }) => messages), crashCount, refusedCount }
}

const schedule = [
  fc.constantFrom(2, 1_000),
  fc.array(stepArbitrary, { maxLength: 80, size: "max" }),
  fc.array(reactionArbitrary, { maxLength: 40, size: "max" }),
] as const

test("every accepted message is handled exactly once and in order, over any crashes, when batches are redelivered", async () => {
  await fc.assert(
    fc.asyncProperty(...schedule, async (capacity, steps, reactions) => {
      const { told, handled, undelivered } = await play("redeliver", capacity, steps, reactions)
      expect(handled).toEqual(told)
      expect(undelivered).toEqual([])
    }),
    { numRuns: 700 },
  )
})

test("every accepted message is handled or handed back, once and in order, when batches are rejected", async () => {
  await fc.assert(
    fc.asyncProperty(...schedule, async (capacity, steps, reactions) => {
      const { told, handled, undelivered } = await play("reject", capacity, steps, reactions)
      expect([...handled, ...undelivered].toSorted((one, other) => one - other)).toEqual(told)
      expect(handled).toEqual(handled.toSorted((one, other) => one - other))
      expect(undelivered).toEqual(undelivered.toSorted((one, other) => one - other))
    }),
    { numRuns: 700 },
  )
})

test("the schedules reach crashes, full mailboxes and handed-back messages", async () => {
  const outcomes = await Promise.all(
    fc
      .sample(fc.tuple(...schedule), { numRuns: 60, seed: 7 })
      .map(([capacity, steps, reactions]) => play("reject", capacity, steps, reactions)),
  )
  expect(outcomes.some(({ crashCount }) => crashCount > 3)).toBe(true)
  expect(outcomes.some(({ refusedCount }) => refusedCount > 0)).toBe(true)
  expect(outcomes.some(({ undelivered }) => undelivered.length > 0)).toBe(true)
})
