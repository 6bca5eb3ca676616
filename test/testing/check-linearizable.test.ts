// The linearizability checker: small histories by hand, an oracle that tries every order, histories that are linearizable
// by construction, and the bound of the search.

import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { SimulatedRandom } from "../../src/simulation/simulated-random.ts"
import { linearizable } from "../../src/testing/check-linearizable.ts"
import { models } from "../../src/testing/check-models.ts"
import type {
  CounterOperation,
  Json,
  ListCallOperation,
  RegisterOperation,
  SequentialModel,
  SetOperation,
} from "../../src/testing/check-models.ts"
import type { RecordedEntry, RecordedHistory } from "../../src/testing/check-history.ts"
import { Recorder } from "../../src/testing/check-recorder.ts"
import type { Recording } from "../../src/testing/check-recorder.ts"
import { isLinearizable } from "./check-oracles.ts"

function entry<Operation, Result>(
  invoked: number,
  completed: number | undefined,
  operation: Operation,
  result?: Result,
): RecordedEntry<Operation, Result> {
  const answer = result === undefined ? {} : { result }
  return completed === undefined
    ? { process: invoked, operation, outcome: "unknown", invoked }
    : { process: invoked, operation, ...answer, outcome: "committed", invoked, completed }
}

const write = (value: Json): RegisterOperation => ({ kind: "write", value })
const read: RegisterOperation = { kind: "read" }
/** Calls of a register. */
const call = entry<RegisterOperation, Json>

function verdictOf(
  entries: readonly RecordedEntry<RegisterOperation, Json>[],
  crashes: readonly number[] = [],
): string {
  return linearizable({ entries, crashes }, models.register()).verdict
}

describe("a register", () => {
  test("a read may see a write that overlaps with it, or not", () => {
    expect(verdictOf([call(0, 3, write(1)), call(1, 2, read, 1)])).toBe("valid")
    expect(verdictOf([call(0, 3, write(1)), call(1, 2, read, null)])).toBe("valid")
  })

  test("a read that misses a write that had ended is not linearizable", () => {
    expect(verdictOf([call(0, 1, write(1)), call(2, 3, read, null)])).toBe("invalid")
    expect(verdictOf([call(0, 1, write(1)), call(1, 3, read, null)])).toBe("valid")
  })

  test("two reads, one after the other, do not go back in time", () => {
    const slow = call(0, 9, write(1))
    expect(verdictOf([slow, call(1, 2, read, null), call(3, 4, read, 1)])).toBe("valid")
    expect(verdictOf([slow, call(1, 2, read, 1), call(3, 4, read, null)])).toBe("invalid")
  })

  test("a compare and set takes place once", () => {
    const cas = (to: number): RegisterOperation => ({ kind: "cas", from: null, to })
    expect(verdictOf([call(0, 2, cas(1), true), call(1, 3, cas(2), false)])).toBe("valid")
    expect(verdictOf([call(0, 2, cas(1), true), call(1, 3, cas(2), true)])).toBe("invalid")
  })

  test("an unknown write may take effect at any later time, or never", () => {
    const maybe = call(0, undefined, write(1))
    expect(verdictOf([maybe, call(1, 2, read, null)])).toBe("valid")
    expect(verdictOf([maybe, call(1, 2, read, null), call(3, 4, read, 1)])).toBe("valid")
    expect(verdictOf([maybe, call(1, 2, read, 1), call(3, 4, read, null)])).toBe("invalid")
    expect(verdictOf([call(1, 2, read, 1), call(3, undefined, write(1))])).toBe("invalid")
  })

  test("an aborted write never takes effect", () => {
    const aborted = { ...call(0, 1, write(1)), outcome: "aborted" as const }
    expect(verdictOf([aborted, call(2, 3, read, null)])).toBe("valid")
    expect(verdictOf([aborted, call(2, 3, read, 1)])).toBe("invalid")
  })

  test("a write that was not durable may be undone by a crash, and one that was may not", () => {
    const early = { ...call(0, 1, write(1)), durable: false }
    expect(verdictOf([early, call(4, 5, read, null)], [3])).toBe("valid")
    expect(verdictOf([early, call(4, 5, read, null)])).toBe("invalid")
    expect(verdictOf([call(0, 1, write(1)), call(4, 5, read, null)], [3])).toBe("invalid")
  })

  test("values may be anything that JSON can say", () => {
    expect(verdictOf([call(0, 1, write({ a: [1, "x"] })), call(2, 3, read, { a: [1, "x"] })])).toBe("valid")
  })

  test("registers with keys are checked apart", () => {
    const on = (key: string, operation: RegisterOperation): RegisterOperation => ({ ...operation, key })
    const entries = [call(0, 1, on("a", write(1))), call(2, 3, on("b", read), null), call(4, 5, on("a", read), null)]
    const { verdict, stuck, partitions } = linearizable({ entries }, models.register())
    expect([verdict, stuck?.key, partitions]).toEqual(["invalid", "a", { count: 2, valid: 1 }])
  })
})

describe("other objects", () => {
  test("a counter answers with what it counted to", () => {
    const add = { kind: "add", amount: 2 } as const
    const history = (result: number): RecordedHistory<typeof add, number> => ({
      entries: [entry(0, 2, add, 2), entry(1, 3, add, result)],
    })
    expect(linearizable(history(4), models.counter()).verdict).toBe("valid")
    expect(linearizable(history(2), models.counter()).verdict).toBe("invalid")
  })

  test("a set knows its members, in any order", () => {
    const model = models.set()
    const call = entry<SetOperation, Json>
    const entries = [
      call(0, 1, { kind: "add", value: "b" }, true),
      call(2, 3, { kind: "add", value: "a" }),
      call(4, 5, { kind: "add", value: "a" }, false),
      call(6, 7, { kind: "read" }, ["b", "a"]),
      call(8, 9, { kind: "remove", value: "b" }, true),
      call(10, 11, { kind: "has", value: "b" }, false),
    ]
    expect(linearizable({ entries }, model).verdict).toBe("valid")
    const { verdict, stuck } = linearizable(
      { entries: [...entries, call(12, 13, { kind: "has", value: "b" }, true)] },
      model,
    )
    expect([verdict, stuck?.at, stuck?.state]).toEqual(["invalid", 6, ['"a"']])
  })

  test("a list keeps the order", () => {
    const call = entry<ListCallOperation, Json>
    const entries = [call(0, 5, { kind: "append", value: 1 }), call(1, 4, { kind: "append", value: 2 })]
    const seen = (values: number[]) => ({ entries: [...entries, call(6, 7, { kind: "read" }, values)] })
    expect(linearizable(seen([2, 1]), models.listAppend()).verdict).toBe("valid")
    expect(linearizable(seen([2]), models.listAppend()).verdict).toBe("invalid")
  })

  test("a user's own model may keep its states in a Map, with a name for each", () => {
    type State = ReadonlyMap<string, number>
    type Operation = { readonly move?: string }
    const step: SequentialModel<State, Operation, number>["step"] = (state, { operation, result }) => {
      const name = operation.move ?? ""
      const count = (state.get(name) ?? 0) + 1
      return [result === undefined || result === count, new Map(state).set(name, count)]
    }
    const model = { initial: new Map<string, number>(), step }
    const entries = [entry(0, 2, { move: "a" }, 2), entry(1, 3, { move: "a" }, 1)]
    expect(() => linearizable({ entries }, model)).toThrow(/needs a hash/)
    const hash = (state: State): string => JSON.stringify([...state])
    expect(linearizable({ entries }, { ...model, hash }).verdict).toBe("valid")
  })

  test.each([[new Date(0)], [Number.NaN], [{ a: undefined }], [[() => 1]], [{ deep: [new Set([1])] }]])(
    "a state that JSON would not tell from others is refused: %o",
    (state) => {
      const model = { initial: state as unknown, step: (before: unknown) => [true, before] as const }
      expect(() => linearizable({ entries: [entry(0, 1, "x")] }, model)).toThrow(/needs a hash/)
    },
  )
})

describe("a history that fails", () => {
  test("is told by its shortest prefix without an order, the best order of it, and what was pending", () => {
    const entries = [
      call(0, 1, write(1)),
      call(2, 20, write(2)),
      call(3, 4, read, 2),
      call(5, 6, read, 1),
      call(7, 30, write(3)),
      call(8, 9, read, 3),
    ]
    const { verdict, stuck, explanation } = linearizable({ entries }, models.register())
    expect(verdict).toBe("invalid")
    expect(stuck).toEqual({ key: "", at: 3, prefix: [0, 2, 3], order: [0, 1, 2], state: 2, pending: [3] })
    expect(explanation).toBe(
      "no order of the operations explains the result of entry 3: the best one, of entries 0, 1, 2, ends in 2, " +
        "and none of the pending entries 3 leads on from there",
    )
  })
})

/** A register or a counter under load: results are those of one moment between begin and end. */
function executed(
  seed: number,
  count: number,
  unknowns: number,
  keys: number,
): RecordedHistory<RegisterOperation, Json> {
  const random = new SimulatedRandom(seed)
  const recorder = new Recorder<RegisterOperation, Json>()
  const values = new Map<number, Json>()
  interface Running {
    readonly operation: RegisterOperation
    readonly recording: Recording<RegisterOperation, Json>
    result: Json | undefined
    isDone: boolean
  }
  const running = new Map<number, Running>()
  let nextProcess = 0
  const apply = (each: Running): void => {
    const key = Number(each.operation.key)
    const value = values.get(key) ?? null
    each.isDone = true
    if (each.operation.kind === "read") each.result = value
    else if (each.operation.kind === "write") values.set(key, each.operation.value)
    else {
      each.result = value === each.operation.from
      if (each.result) values.set(key, each.operation.to)
    }
  }
  for (let begun = 0; begun < count || running.size > 0;) {
    const processes = [...running.keys()]
    if (begun < count && (processes.length === 0 || (processes.length < 6 && random.chance(3)))) {
      const key = random.below(keys)
      const operation: RegisterOperation = random.chance(2)
        ? { kind: "read", key }
        : random.chance(2)
          ? { kind: "write", key, value: random.below(4) }
          : { kind: "cas", key, from: random.below(4), to: random.below(4) }
      const process = nextProcess++
      running.set(process, {
        operation,
        recording: recorder.begin(process, operation),
        result: undefined,
        isDone: false,
      })
      begun++
      continue
    }
    const process = random.pick(processes)
    const each = running.get(process)
    if (each === undefined) continue
    if (!each.isDone && random.below(100) < unknowns) {
      each.recording.unknown()
      running.delete(process)
      if (random.chance(2)) apply(each)
    } else if (!each.isDone) apply(each)
    else {
      each.recording.complete(each.result)
      running.delete(process)
    }
  }
  return recorder.history()
}

describe("histories", () => {
  test("that are linearizable by construction are found valid, whatever is unknown in them", () => {
    fc.assert(
      fc.property(fc.nat(), fc.integer({ min: 1, max: 300 }), fc.constantFrom(0, 3, 10), (seed, count, unknowns) => {
        const { verdict, explanation } = linearizable(executed(seed, count, unknowns, 3), models.register())
        expect(verdict, explanation).toBe("valid")
      }),
      { numRuns: 150 },
    )
  })

  test("of a few operations have the verdict of an oracle that tries every order", () => {
    const runs = Number(process.env["ORRERY_CHECK_RUNS"] ?? 3_000)
    let invalid = 0
    for (let seed = 0; seed < runs; seed++) {
      const random = new SimulatedRandom(seed)
      const truth = executed(seed, 2 + random.below(6), 15, 1)
      // A wrong answer, most of the time.
      const wrong = random.chance(5) ? -1 : random.below(truth.entries.length)
      const entries = truth.entries.map((each, index) =>
        index !== wrong || each.outcome !== "committed" || each.operation.kind === "write"
          ? each
          : { ...each, result: each.operation.kind === "cas" ? each.result !== true : random.below(4) },
      )
      const expected = isLinearizable({ entries }, models.register())
      const { verdict, stuck } = linearizable({ entries }, models.register())
      expect(verdict, `seed ${seed}: ${JSON.stringify(entries)}`).toBe(expected ? "valid" : "invalid")
      if (stuck === undefined) continue
      invalid++
      // The prefix has no order, and is the shortest such: without its last end it has one.
      const at = entries[stuck.at]?.completed ?? 0
      const until = (end: number): typeof entries =>
        entries
          .filter(({ invoked }) => (invoked ?? 0) < end)
          .map((each) => ((each.completed ?? 0) > end ? { ...each, outcome: "unknown" as const } : each))
      expect(isLinearizable({ entries: until(at) }, models.register())).toBe(false)
      expect(isLinearizable({ entries: until(at - 0.5) }, models.register())).toBe(true)
    }
    expect(invalid).toBeGreaterThan(runs / 10)
  })

  test("of thousands of operations on one register take no time", () => {
    const { verdict, steps } = linearizable(executed(1, 20_000, 0, 1), models.register())
    expect(verdict).toBe("valid")
    expect(steps).toBeLessThan(200_000)
  })

  test("with hundreds of unknown operations that ask for the same are no harder", () => {
    const call = entry<CounterOperation, number>
    const maybe = Array.from({ length: 300 }, (_, index) => call(index, undefined, { kind: "add", amount: 1 }))
    const last = (result: number) => call(1000, 1001, { kind: "read" }, result)
    expect(linearizable({ entries: [...maybe, last(150)] }, models.counter()).verdict).toBe("valid")
    expect(linearizable({ entries: [...maybe, last(301)] }, models.counter()).verdict).toBe("invalid")
  })
})

describe("the bound", () => {
  const hard: RecordedHistory<RegisterOperation, Json> = {
    entries: [...Array.from({ length: 25 }, (_, index) => call(index, 100, write(index))), call(101, 102, read, -1)],
  }

  test("a search that reaches it has no verdict, and tells how far it came", () => {
    const { verdict, steps, explanation, stuck } = linearizable(hard, models.register(), { stepsMax: 2_000 })
    expect(verdict).toBe("unknown")
    expect(steps).toBeGreaterThanOrEqual(2_000)
    expect(steps).toBeLessThan(2_100)
    expect(explanation).toMatch(/ended after 20\d\d steps, with 0 of 1 keys found valid/)
    expect(stuck?.order.length).toBeGreaterThan(20)
  })

  test("the caller's own clock can end it", () => {
    let looks = 0
    const { verdict } = linearizable(hard, models.register(), { stop: () => ++looks === 3 })
    expect([verdict, looks]).toEqual(["unknown", 3])
  })

  test("a key that fails is found beside one that runs into it", () => {
    const entries = [
      ...hard.entries.map((each) => ({ ...each, operation: { ...each.operation, key: "hard" } })),
      call(0, 1, { kind: "read", key: "wrong" }, 7),
    ]
    expect(linearizable({ entries }, models.register(), { stepsMax: 2_000 }).verdict).toBe("invalid")
  })

  test("positions are needed", () => {
    const { invoked: _invoked, completed: _completed, ...bare } = call(0, 1, write(1))
    expect(() => linearizable({ entries: [bare] }, models.register())).toThrow(/entry 0 of the history says not when/)
  })
})
