// The verdicts on tiny histories are those of an oracle that tries every order. The histories are random, so most are
// wrong, in every way there is; the reads are chosen so that about half of the small ones are not.

import { describe, expect, test } from "vitest"
import { SimulatedRandom } from "../../src/simulation/simulated-random.ts"
import { listAppend } from "../../src/testing/check-list-append.ts"
import type { IsolationModel } from "../../src/testing/check-list-append.ts"
import type { RecordedEntry } from "../../src/testing/check-history.ts"
import type { ListHistory, ListOperation } from "../../src/testing/check-transactions.ts"
import { isSerializable, isSnapshotIsolated } from "./check-oracles.ts"
import type { OrderKept } from "./check-oracles.ts"

const RUNS = Number(process.env["ORRERY_CHECK_RUNS"] ?? 4_000)

/** Transactions with appends and with reads of made-up lists: beginnings of one order, now and then of another. */
function randomHistory(seed: number): ListHistory {
  const random = new SimulatedRandom(seed)
  const count = 2 + random.below(4)
  const keys = ["x", "y"].slice(0, 1 + random.below(2))
  const appended = new Map<string, number[]>(keys.map((key) => [key, []]))
  let nextValue = 1
  const plans = Array.from({ length: count }, () =>
    Array.from({ length: 1 + random.below(3) }, (): ListOperation => {
      const key = random.pick(keys)
      if (random.chance(2)) return { kind: "read", key }
      const value = nextValue++
      appended.get(key)?.push(value)
      return { kind: "append", key, value }
    }),
  )
  const orders = new Map([...appended].map(([key, values]) => [key, shuffled(values, random)]))
  const events = shuffled(
    plans.flatMap((_, index) => [index, index]),
    random,
  )
  const freeFrom: number[] = []
  const inOrder = plans.toSorted((a, b) => events.indexOf(plans.indexOf(a)) - events.indexOf(plans.indexOf(b)))
  const numbers = inOrder.map((plan) => plans.indexOf(plan))
  const entries = inOrder.map((plan, place): RecordedEntry<readonly ListOperation[], readonly ListOperation[]> => {
    const own: number[] = []
    const result = plan.map((operation): ListOperation => {
      if (operation.kind === "append") {
        own.push(Number(operation.value))
        return operation
      }
      let order = orders.get(String(operation.key)) ?? []
      if (random.chance(20)) order = shuffled(order, random)
      const mine = plan.flatMap((other) =>
        other.kind === "append" && other.key === operation.key ? [other.value] : [],
      )
      const ownHere = own.filter((value) => mine.includes(value))
      // Mostly what a transaction would see: others' values, and its own behind them.
      const others = random.chance(4) ? order : order.filter((value) => !mine.includes(value))
      const values = [...others.slice(0, random.below(others.length + 1)), ...(random.chance(15) ? [] : ownHere)]
      return { kind: "read", key: operation.key, values }
    })
    const [begin = 0, end = 0] = events.flatMap((event, position) => (event === numbers[place] ? [position] : []))
    const fate = random.below(10)
    const outcome = fate === 0 ? "aborted" : fate === 1 ? "unknown" : "committed"
    // A process does one thing after the other.
    const process = [0, 1, 2, 3, 4].find((free) => (freeFrom[free] ?? 0) <= begin) ?? place
    freeFrom[process] = end
    return outcome === "unknown" && random.chance(2)
      ? { process, operation: plan, outcome, invoked: begin }
      : { process, operation: plan, result, outcome, invoked: begin, completed: end }
  })
  return { entries }
}

function shuffled<Item>(items: readonly Item[], random: SimulatedRandom): Item[] {
  const left = [...items]
  return items.map(() => left.splice(random.below(left.length), 1)[0] as Item)
}

/** Whether nobody saw the appends of two transactions to one key. */
function hasUnseenPair({ entries }: ListHistory): boolean {
  const operations = entries.flatMap(({ operation, result }) => result ?? operation)
  return ["x", "y"].some((key) => {
    const seen = operations.flatMap((each) => (each.kind === "read" && each.key === key ? (each.values ?? []) : []))
    const writers = entries.filter(({ operation }) =>
      operation.some((each) => each.kind === "append" && each.key === key && !seen.includes(each.value)),
    )
    return writers.length > 1
  })
}

const MODELS: readonly (readonly [IsolationModel, (history: ListHistory, order: OrderKept) => boolean, OrderKept])[] = [
  ["serializable", isSerializable, "none"],
  ["strong-session-serializable", isSerializable, "process"],
  ["strict-serializable", isSerializable, "realtime"],
  ["snapshot-isolation", isSnapshotIsolated, "none"],
  ["strong-session-snapshot-isolation", isSnapshotIsolated, "process"],
  ["strong-snapshot-isolation", isSnapshotIsolated, "realtime"],
]

describe("tiny histories", () => {
  test.each(MODELS)("%s is found exactly where some order explains the history", (model, oracle, order) => {
    const verdicts = { valid: 0, invalid: 0 }
    for (let seed = 0; seed < RUNS; seed++) {
      const history = randomHistory(seed)
      const expected = oracle(history, order)
      const verdict = listAppend(history, { model })
      // With two appends that nobody saw, either order of them may be impossible for snapshots, each for its own reason.
      if (verdict.valid && !expected && oracle === isSnapshotIsolated && hasUnseenPair(history)) continue
      if (verdict.valid !== expected) {
        expect.fail(`seed ${seed}: ${JSON.stringify({ expected, verdict, history }, undefined, 1)}`)
      }
      verdicts[expected ? "valid" : "invalid"]++
    }
    expect(verdicts.valid).toBeGreaterThan(RUNS / 10)
    expect(verdicts.invalid).toBeGreaterThan(RUNS / 10)
  })
})
