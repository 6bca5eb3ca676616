// Histories of thousands of transactions from executors that are isolated by construction: no model that holds may be
// reported as broken. Then the same histories with one thing changed, which must be found.

import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { SimulatedRandom } from "../../src/simulation/simulated-random.ts"
import { listAppend } from "../../src/testing/check-list-append.ts"
import type { IsolationModel, ListAppendVerdict } from "../../src/testing/check-list-append.ts"
import type { ListElement, ListHistory, ListOperation } from "../../src/testing/check-transactions.ts"
import { execute } from "./check-executor.ts"
import type { ExecutorOptions } from "./check-executor.ts"
import type { ListEntry } from "./check-scene.ts"

const options = fc.record({
  seed: fc.nat(),
  transactions: fc.integer({ min: 1, max: 400 }),
  processes: fc.integer({ min: 1, max: 12 }),
  keys: fc.integer({ min: 1, max: 6 }),
  operationsMax: fc.integer({ min: 1, max: 5 }),
  appendsPerKey: fc.integer({ min: 1, max: 40 }),
  aborts: fc.constantFrom(0, 10),
  unknowns: fc.constantFrom(0, 5, 30),
})

function expectValid(history: ListHistory, models: readonly IsolationModel[], given: unknown): void {
  for (const model of models) {
    const { valid, anomalies } = listAppend(history, { model })
    if (!valid)
      expect.fail(`${model}, ${JSON.stringify(given)}: ${anomalies.map((each) => each.explanation).join("\n")}`)
  }
}

describe("histories that are isolated by construction", () => {
  test("those of transactions at one moment each pass every model", () => {
    fc.assert(
      fc.property(options, (given) => {
        expectValid(
          execute({ ...given, isolation: "serial" }),
          [
            "strict-serializable",
            "strong-session-serializable",
            "serializable",
            "strong-snapshot-isolation",
            "strong-session-snapshot-isolation",
            "snapshot-isolation",
            "read-committed",
            "read-uncommitted",
          ],
          given,
        )
      }),
      { numRuns: 150 },
    )
  })

  test("those of transactions on snapshots pass snapshot isolation, and mostly not serializable", () => {
    let skewed = 0
    fc.assert(
      fc.property(options, (given) => {
        const history = execute({ ...given, isolation: "snapshot" })
        expectValid(history, ["strong-snapshot-isolation", "snapshot-isolation", "read-committed"], given)
        const { anomalies } = listAppend(history, { model: "serializable" })
        if (anomalies.length > 0) skewed++
        for (const { type } of anomalies) expect(type).toBe("G2-item")
      }),
      { numRuns: 150 },
    )
    expect(skewed).toBeGreaterThan(30)
  })

  test("those of transactions that read what is committed pass read committed, and mostly no more", () => {
    let broken = 0
    fc.assert(
      fc.property(options, (given) => {
        const history = execute({ ...given, isolation: "committed" })
        expectValid(history, ["read-committed", "read-uncommitted"], given)
        if (!listAppend(history, { model: "snapshot-isolation" }).valid) broken++
        // Nor is what they break told by a name that read committed forbids.
        for (const { type } of listAppend(history, { model: "serializable" }).anomalies)
          expect(type).not.toMatch(/^G[01]/)
      }),
      { numRuns: 150 },
    )
    expect(broken).toBeGreaterThan(50)
  })

  test("the order of the entries, and the positions' scale, change nothing", () => {
    fc.assert(
      fc.property(options, (given) => {
        const history = execute({ ...given, isolation: "serial" })
        const entries = history.entries
          .map((entry) => ({
            ...entry,
            ...(entry.invoked === undefined ? {} : { invoked: entry.invoked * 0.37 - 1e6 }),
            ...(entry.completed === undefined ? {} : { completed: entry.completed * 0.37 - 1e6 }),
          }))
          .toReversed()
        expectValid({ entries }, ["strict-serializable", "strong-session-serializable"], given)
      }),
      { numRuns: 50 },
    )
  })
})

const BUSY: Omit<ExecutorOptions, "seed"> = { transactions: 600, isolation: "serial", aborts: 5, keys: 3, processes: 8 }
const SEEDS = Array.from({ length: 25 }, (_, seed) => seed)

/** The history with one entry's operations changed; undefined where the change found no place. */
type Mutation = (history: ListHistory, random: SimulatedRandom) => ListHistory | undefined

/** Changes a read of a committed transaction, one that comes neither behind nor before anything of its own on that key. */
function changeRead(
  history: ListHistory,
  random: SimulatedRandom,
  change: (values: readonly ListElement[], entry: ListEntry, key: ListElement) => readonly ListElement[] | undefined,
): ListHistory | undefined {
  const offset = random.below(history.entries.length)
  for (let round = 0; round < history.entries.length; round++) {
    const index = (offset + round) % history.entries.length
    const entry = history.entries[index]
    if (entry?.outcome !== "committed" || entry.result === undefined) continue
    for (const [place, operation] of entry.result.entries()) {
      if (operation.kind !== "read" || operation.values === undefined) continue
      if (entry.result.some((other) => other !== operation && other.key === operation.key)) continue
      const values = change(operation.values, entry, operation.key)
      if (values === undefined) continue
      const result: readonly ListOperation[] = entry.result.with(place, { kind: "read", key: operation.key, values })
      return { ...history, entries: history.entries.with(index, { ...entry, result }) }
    }
  }
  return undefined
}

/** What others had surely appended to the key when the entry began. */
function acknowledgedBefore(history: ListHistory, entry: ListEntry, key: ListElement): Set<ListElement> {
  const values = new Set<ListElement>()
  for (const other of history.entries) {
    if (other.outcome !== "committed" || (other.completed ?? Infinity) >= (entry.invoked ?? 0)) continue
    for (const operation of other.result ?? []) {
      if (operation.kind === "append" && operation.key === key) values.add(operation.value)
    }
  }
  return values
}

const MUTATIONS: readonly (readonly [string, RegExp, Mutation])[] = [
  [
    "a read without an append that was acknowledged before it",
    /^G(-single|-nonadjacent|2-item|1c)/,
    (history, random) =>
      changeRead(history, random, (values, entry, key) =>
        values.length > 0 && acknowledgedBefore(history, entry, key).has(values.at(-1) ?? "")
          ? values.slice(0, -1)
          : undefined,
      ),
  ],
  [
    "a read with two elements the other way around",
    /^incompatible-order$/,
    (history, random) =>
      changeRead(history, random, ([first, second, ...rest]) =>
        first === undefined || second === undefined ? undefined : [second, first, ...rest],
      ),
  ],
  [
    "a read with an element twice",
    /^duplicate-elements$/,
    (history, random) =>
      changeRead(history, random, (values) => (values[0] === undefined ? undefined : [...values, values[0]])),
  ],
  [
    "a read of a value that nobody appended",
    /^unwritten-read$/,
    (history, random) => changeRead(history, random, (values) => [...values, -1]),
  ],
  [
    "a read of a value that was aborted",
    /^G1a$/,
    (history, random) =>
      changeRead(history, random, (values, _entry, key) => {
        const own = history.entries.flatMap(({ outcome, operation }) =>
          outcome === "aborted" ? operation.filter((each) => each.kind === "append" && each.key === key) : [],
        )
        const [first] = own
        return first?.kind === "append" ? [...values, first.value] : undefined
      }),
  ],
  [
    "a transaction that was aborted after others had seen it",
    /^G1a$/,
    (history, random) => {
      const seen = new Set<ListElement>()
      for (const { outcome, result } of history.entries) {
        for (const operation of outcome === "committed" ? (result ?? []) : []) {
          if (operation.kind === "read") for (const value of operation.values ?? []) seen.add(value)
        }
      }
      const isSeen = ({ outcome, operation }: ListEntry): boolean =>
        outcome === "committed" &&
        operation.every((each) => each.kind === "append") &&
        operation.some((each) => each.kind === "append" && seen.has(each.value))
      const candidates = history.entries.flatMap((entry, index) => (isSeen(entry) ? [index] : []))
      if (candidates.length === 0) return undefined
      const index = random.pick(candidates)
      return {
        ...history,
        entries: history.entries.map((entry, other) =>
          other === index ? { ...entry, outcome: "aborted" as const } : entry,
        ),
      }
    },
  ],
]

describe("a history with one thing changed", () => {
  test.each(MUTATIONS)("%s is found", (_what, expected, mutate) => {
    let changed = 0
    for (const seed of SEEDS) {
      const history = execute({ ...BUSY, seed })
      const mutant = mutate(history, new SimulatedRandom(seed))
      if (mutant === undefined) continue
      changed++
      const { valid, anomalies } = check(mutant)
      expect(valid, `seed ${seed}`).toBe(false)
      const types = anomalies.map(({ type }) => type)
      expect(
        types.some((type) => expected.test(type)),
        `seed ${seed}: ${types.join()}`,
      ).toBe(true)
    }
    expect(changed).toBeGreaterThan(SEEDS.length / 2)
  })

  test("the last acknowledged appends before a crash, which no read behind it has, are lost writes", () => {
    for (const seed of SEEDS) {
      const history = execute({ ...BUSY, seed, appendsPerKey: 1000 })
      // The clients' view of a store that came up with the lists of a while before the crash, and stayed empty-handed.
      const lost = history.entries.findLast(
        ({ outcome, operation }) => outcome === "committed" && operation.some(({ kind }) => kind === "append"),
      )
      const [append] = (lost?.operation ?? []).filter(({ kind }) => kind === "append")
      const key = append?.key ?? ""
      const crash = 1 + Math.max(...history.entries.map(({ completed }) => completed ?? 0))
      const reads = history.entries.flatMap(({ result }) => result ?? [])
      const before = reads.find((operation) => operation.kind === "read" && operation.key === key)
      const after: ListEntry = {
        process: "after",
        operation: [],
        result: [before ?? { kind: "read", key, values: [] }],
        outcome: "committed",
        invoked: crash + 1,
        completed: crash + 2,
      }
      const entries = [...history.entries, after]
      expect(listAppend({ entries, crashes: [] }, { model: "serializable" }).valid).toBe(true)
      const { anomalies } = listAppend({ entries, crashes: [crash] }, { model: "serializable" })
      expect(anomalies.map(({ type }) => type)).toContain("lost-write")
      const crashAfter = crash + 1.5
      expect(listAppend({ entries, crashes: [crashAfter] }, { model: "serializable" }).valid).toBe(true)
    }
  })
})

function check(history: ListHistory): ListAppendVerdict {
  return listAppend(history, { model: "strict-serializable" })
}
