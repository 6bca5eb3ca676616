// What the crash test is told: where histories come from, what they see, when to end, and what makes no sense.

import { describe, expect, test } from "vitest"
import { CrashFound } from "../../src/testing/crash-found.ts"
import type { CrashProgress } from "../../src/testing/crash-report.ts"
import { crash } from "../../src/testing/crash.ts"
import { ToyStore } from "./toy-store.ts"
import { toyTest, type ToyOp, type ToyOptions } from "./toy-test.ts"

async function failureOf(options: ToyOptions): Promise<CrashFound> {
  const outcome: unknown = await crash.assert(options).catch((error: unknown) => error)
  expect(outcome).toBeInstanceOf(CrashFound)
  return outcome as CrashFound
}

describe("where histories come from", () => {
  const ops: readonly ToyOp[] = [{ put: { a: 1 } }, { put: { b: 2 } }, { compact: true }, { put: { c: 3 } }]

  test("an array is run under many schedules, and made smaller by leaving operations out", async () => {
    const report = await crash.assert({ ...toyTest(1), ops, budget: { histories: 5, ms: 20_000 } })
    expect(report).toMatchObject({ histories: 5, operations: 20 })
    // The first life of each history runs on a platform of its own seed.
    const seeds: string[] = []
    let isFirst = true
    await crash.assert({
      ...toyTest(1),
      ops: [{ compact: true }],
      budget: { histories: 5, ms: 20_000 },
      onProgress: () => {
        isFirst = true
      },
      run: (store, _op, { platform }) => {
        if (isFirst) seeds.push(platform.identity)
        isFirst = false
        return store.compact()
      },
    })
    expect(new Set(seeds).size).toBe(5)
    const found = await failureOf({ ...toyTest(1, "rename-before-sync"), ops })
    expect(found.history).toHaveLength(2)
    expect(found.message).toContain("shrunk from 4")
  })

  test("a function makes each from the chance that it is given", async () => {
    const made: number[] = []
    const options: ToyOptions = {
      ...toyTest(1),
      ops: (random) => {
        made.push(random.below(1_000))
        return ops.slice(0, 1 + random.below(4))
      },
      budget: { histories: 6, ms: 20_000 },
    }
    await crash.assert(options)
    const first = made.splice(0)
    await crash.assert(options)
    expect(made).toEqual(first)
    expect(new Set(made).size).toBeGreaterThan(3)
  })

  test("an invariant of one's own gets the history as it stood, and the states that the model allows", async () => {
    const seen = new Set<string>()
    const options = toyTest(1)
    const { recoveredView: _, ...plain } = options
    await crash.assert({
      ...plain,
      ops,
      budget: { histories: 3, ms: 20_000 },
      invariant: (store, history, { allowed, depth }) => {
        for (const { outcome } of history) seen.add(outcome)
        seen.add(`depth ${depth}`)
        expect(allowed).toContainEqual(store.content())
      },
    })
    expect([...seen].toSorted()).toEqual(["acknowledged", "depth 0", "depth 1", "in-flight", "not-started"])
  })

  test("an operation sees what is acknowledged by then", async () => {
    const counts: number[] = []
    await crash.assert({
      ...toyTest(1),
      ops,
      concurrency: 1,
      budget: { histories: 1, states: 1, ms: 20_000 },
      run: async (store, op, context) => {
        if (context.acknowledged().every(({ outcome }) => outcome === "acknowledged")) {
          counts.push(context.acknowledged().length)
        }
        await ("put" in op ? store.put(op.put) : store.compact())
      },
    })
    expect(counts.slice(0, 4)).toEqual([0, 1, 2, 3])
  })
})

describe("bounds", () => {
  test("the budget ends it, by states and by time", async () => {
    const byStates = await crash.assert({ ...toyTest(1), budget: { states: 100, ms: 20_000 } })
    expect(byStates.endedBy).toBe("states")
    expect(byStates.states).toBeLessThan(110)
    const byTime = await crash.assert({ ...toyTest(1), budget: { ms: 100, histories: 100_000, states: 10_000_000 } })
    expect(byTime.endedBy).toBe("ms")
    expect(byTime.elapsedMs).toBeLessThan(3_000)
  })

  test("progress is told after every history", async () => {
    const told: CrashProgress[] = []
    await crash.assert({ ...toyTest(1), budget: { histories: 5, ms: 20_000 }, onProgress: (one) => told.push(one) })
    expect(told.map(({ histories }) => histories)).toEqual([1, 2, 3, 4, 5])
    expect(told.at(-1)?.states).toBeGreaterThan(told[0]?.states ?? Infinity)
  })

  test("a signal ends it with its reason, also an array's and in the middle", async () => {
    const controller = new AbortController()
    const reason = new Error("enough")
    const running = crash.assert({
      ...toyTest(1),
      signal: controller.signal,
      onProgress: () => controller.abort(reason),
    })
    await expect(running).rejects.toBe(reason)
    await expect(crash.assert({ ...toyTest(1), signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
  })

  test("an operation that never ends stays in flight, and is counted", async () => {
    const report = await crash.assert({
      ...toyTest(1),
      ops: [{ put: { a: 1 } }],
      budget: { histories: 1, nested: 0, ms: 20_000 },
      run: () => new Promise<void>(() => undefined),
    })
    expect(report.unsettled).toBe(1)
  })

  test("an operation that waits for simulated time gets it", async () => {
    const report = await crash.assert({
      ...toyTest(1),
      ops: [{ put: { a: 1 } }],
      budget: { histories: 1, nested: 0, ms: 20_000 },
      run: async (store, _op, { platform }) => {
        await new Promise<void>((resolve) => platform.clock.after(60_000, resolve))
        await store.put({ a: 1 })
      },
    })
    expect(report.unsettled).toBe(0)
    expect(report.elapsedMs).toBeLessThan(10_000)
  })

  test("what fails without a crash and without a fault comes as it is", async () => {
    const broken = new Error("cannot open anything")
    await expect(crash.assert({ ...toyTest(1), open: () => Promise.reject(broken) })).rejects.toBe(broken)
  })
})

describe("recoveries that fail", () => {
  test("are failures, unless they may refuse what faults have done", async () => {
    const refusal = new Error("rot")
    const options: ToyOptions = {
      ...toyTest(1),
      ops: [{ put: { a: 1 } }, { put: { b: 1 } }],
      budget: { histories: 4, ms: 20_000 },
      faults: crash.faults.bitRot({ path: "/data/log" }),
      open: async ({ fileSystem }, path) => {
        const size = (await fileSystem.stat(`${path}/log`))?.size ?? 0
        if (size > 0) throw refusal
        return ToyStore.open(fileSystem, path)
      },
    }
    const found = await failureOf(options)
    expect(found.cause).toBe(refusal)
    expect(found.message).toContain("after a crash recovery fails: rot")
    const report = await crash.assert({ ...options, mayRefuse: (error) => error === refusal })
    expect(report.refusals).toBeGreaterThan(0)
  })
})

describe("options that make no sense", () => {
  const options = toyTest(1)
  test.each<[string, object, string]>([
    ["no run", { run: undefined }, "run is a function"],
    ["an unknown one", { sead: 1 }, 'there is no option "sead"'],
    ["ops that are nothing", { ops: 7 }, "ops is an array"],
    ["an empty array", { ops: [] }, "ops is an array"],
    ["nothing to check", { invariant: undefined, model: undefined }, "there is an invariant"],
    ["a seed that is no integer", { seed: 0.5 }, "seed is a safe integer"],
    ["no concurrency", { concurrency: 0 }, "concurrency is a whole number"],
    ["an unknown file system", { persistence: "ntfs" }, 'persistence is "posix"'],
    ["an unknown budget", { budget: { minutes: 1 } }, "there is no budget.minutes"],
    ["no states", { budget: { states: 0 } }, "budget.states is from 1 on"],
    ["three nested crashes", { budget: { nested: 3 } }, "budget.nested is 0, 1 or 2"],
    ["a fault of one's own", { faults: [{ kind: "fire" }] }, "faults is one of crash.faults"],
    ["a fault at call 0", { faults: crash.faults.error("EIO", "write", 0) }, "a fault is at a number from 1 on"],
    ["an artifacts directory that is a number", { artifacts: 1 }, "artifacts is a path or false"],
  ])("%s: a TypeError before anything runs", async (_what, change, message) => {
    const wrong = { ...options, open: () => Promise.reject(new Error("opened")), ...change } as ToyOptions
    await expect(crash.assert(wrong)).rejects.toThrow(TypeError)
    await expect(crash.assert(wrong)).rejects.toThrow(message)
  })
})
