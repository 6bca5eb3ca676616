// Each anomaly by a history made by hand, the weakest model that forbids it, and one that allows it.

import { describe, expect, test } from "vitest"
import { listAppend } from "../../src/testing/check-list-append.ts"
import type { IsolationModel, ListAppendVerdict } from "../../src/testing/check-list-append.ts"
import { aborted, append, committed, historyOf, read, unknown } from "./check-scene.ts"
import type { ListEntry } from "./check-scene.ts"

function typesOf(entries: readonly ListEntry[], model: IsolationModel, crashes: readonly number[] = []): string[] {
  return check(entries, model, crashes).anomalies.map(({ type }) => type)
}

function check(
  entries: readonly ListEntry[],
  model: IsolationModel,
  crashes: readonly number[] = [],
): ListAppendVerdict {
  return listAppend(historyOf(entries, crashes), { model })
}

describe("reads", () => {
  test("a read of what was aborted is G1a", () => {
    const entries = [aborted(append("x", 1)), committed(read("x", [1]))]
    expect(typesOf(entries, "read-committed")).toEqual(["G1a"])
    expect(typesOf(entries, "read-uncommitted")).toEqual([])
    expect(check(entries, "serializable").anomalies[0]).toEqual({
      type: "G1a",
      explanation: 'T0 appended 1 to "x" and was aborted, but T1 read "x" as [1]',
      transactions: [0, 1],
      cycle: [],
    })
  })

  test("a read of the middle of a transaction is G1b", () => {
    const entries = [committed(append("x", 1), append("x", 2)), committed(read("x", [1])), committed(read("x", [1, 2]))]
    expect(typesOf(entries, "read-committed")).toContain("G1b")
    expect(typesOf(entries, "read-uncommitted")).toEqual([])
  })

  test("the middle of a transaction whose end nobody saw is G1b as well", () => {
    const entries = [committed(append("x", 1), append("x", 2)), committed(read("x", [1]))]
    expect(typesOf(entries, "read-committed")).toContain("G1b")
  })

  test("a value that nobody appended is an unwritten read", () => {
    expect(typesOf([committed(read("x", [7]))], "read-uncommitted")).toEqual(["unwritten-read"])
    expect(typesOf([committed(append("x", 1)), committed(read("x", ["1"]))], "read-uncommitted")).toEqual([
      "unwritten-read",
    ])
  })

  test("a value that is there twice is a duplicate", () => {
    const entries = [committed(append("x", 1)), committed(append("x", 2)), committed(read("x", [1, 2, 1]))]
    expect(typesOf(entries, "read-uncommitted")).toContain("duplicate-elements")
  })

  test("two reads of which neither is the beginning of the other are incompatible", () => {
    const writers = [committed(append("x", 1)), committed(append("x", 2))]
    expect(typesOf([...writers, committed(read("x", [1, 2])), committed(read("x", [2]))], "read-uncommitted")).toEqual([
      "incompatible-order",
    ])
  })

  test("a list that turns the appends of one transaction around is an incompatible order", () => {
    const entries = [committed(append("x", 1), append("x", 2)), committed(read("x", [2, 1]))]
    expect(typesOf(entries, "read-uncommitted")).toContain("incompatible-order")
    expect(typesOf([committed(append("x", 1), append("x", 2)), committed(read("x", [2]))], "serializable")).toContain(
      "incompatible-order",
    )
  })

  test("a transaction that does not see its own append is at odds with itself", () => {
    const entries = [committed(append("x", 1), read("x", []))]
    expect(typesOf(entries, "read-committed")).toContain("internal")
    expect(typesOf(entries, "serializable")).toContain("internal")
  })

  test("a transaction that sees its own append before it made it is at odds with itself", () => {
    expect(typesOf([committed(read("x", [1]), append("x", 1))], "read-committed")).toEqual(["internal"])
  })

  test("a read that differs from the one before is allowed by read committed only", () => {
    const entries = [committed(append("x", 1)), committed(read("x", []), read("x", [1]))]
    expect(typesOf(entries, "read-committed")).toEqual([])
    expect(typesOf(entries, "snapshot-isolation")).toContain("internal")
  })

  test("what an aborted transaction has read, and what nobody answered, is no evidence", () => {
    const entries = [aborted(read("x", [7])), unknown(read("x", [8])), committed({ kind: "read", key: "x" })]
    expect(typesOf(entries, "strict-serializable")).toEqual([])
  })
})

describe("cycles", () => {
  test("two transactions that append in different orders to two lists are G0", () => {
    const entries = [
      committed(append("x", 1), append("y", 1)),
      committed(append("x", 2), append("y", 2)),
      committed(read("x", [1, 2]), read("y", [2, 1])),
    ]
    const { anomalies } = check(entries, "read-uncommitted")
    expect(anomalies.map(({ type }) => type)).toEqual(["G0"])
    expect(anomalies[0]?.cycle).toEqual([
      { source: 0, target: 1, relation: "ww", because: 'T0 appended 1 to "x" before T1 appended 2 to "x"' },
      { source: 1, target: 0, relation: "ww", because: 'T1 appended 2 to "y" before T0 appended 1 to "y"' },
    ])
  })

  test("two transactions that see each other's appends are G1c", () => {
    const entries = [committed(append("x", 1), read("y", [1])), committed(append("y", 1), read("x", [1]))]
    expect(typesOf(entries, "read-committed")).toEqual(["G1c"])
    expect(typesOf(entries, "read-uncommitted")).toEqual([])
  })

  test("two transactions that append to the same version have lost an update", () => {
    const entries = [committed(read("x", []), append("x", 1)), committed(read("x", []), append("x", 2))]
    expect(typesOf(entries, "read-committed")).toEqual([])
    expect(typesOf(entries, "snapshot-isolation")).toContain("lost-update")
    const seen = [...entries, committed(read("x", [1, 2]))]
    expect(typesOf(seen, "snapshot-isolation")).toEqual(["lost-update", "G-single"])
  })

  test("an append that came between a read and an append, unseen by both, is G-single", () => {
    const entries = [committed(read("x", []), append("x", 1)), committed(append("x", 2)), committed(read("x", [2, 1]))]
    expect(typesOf(entries, "snapshot-isolation")).toEqual(["G-single"])
  })

  test("a read that sees half of a transaction is G-single, also where the other half was never seen", () => {
    const entries = [committed(append("x", 1), append("y", 1)), committed(read("x", [1]), read("y", []))]
    expect(typesOf(entries, "read-committed")).toEqual([])
    const { anomalies } = check(entries, "snapshot-isolation")
    expect(anomalies.map(({ type }) => type)).toEqual(["G-single"])
    expect(anomalies[0]?.explanation).toBe(
      'T1 rw→ T0 wr→ T1 cannot be put in an order: T1 read "y" as [], without 1, which T0 appended; ' +
        'T1 read "x" as [1], where T0 had appended 1',
    )
  })

  test("write skew passes snapshot isolation, and is G2 for serializable", () => {
    const entries = [committed(read("x", []), append("y", 1)), committed(read("y", []), append("x", 1))]
    expect(typesOf(entries, "snapshot-isolation")).toEqual([])
    expect(typesOf(entries, "strong-snapshot-isolation")).toEqual([])
    expect(typesOf(entries, "serializable")).toEqual(["G2-item"])
  })

  test("a long fork, two readers that see two appends in different orders, is forbidden by snapshot isolation", () => {
    const entries = [
      committed(append("x", 1)),
      committed(append("y", 1)),
      committed(read("x", [1]), read("y", [])),
      committed(read("x", []), read("y", [1])),
    ]
    expect(typesOf(entries, "read-committed")).toEqual([])
    expect(typesOf(entries, "snapshot-isolation")).toEqual(["G-nonadjacent"])
    expect(typesOf(entries, "serializable")).toEqual(["G-nonadjacent"])
  })

  test("the anomaly of a reader beside two writers passes snapshot isolation, and is G2 for serializable", () => {
    // Fekete, O'Neil and O'Neil, "A read-only transaction anomaly under snapshot isolation".
    const entries = [
      committed(read("x", []), read("y", []), append("x", 1)),
      committed(read("y", []), append("y", 1)),
      committed(read("x", []), read("y", [1])),
    ]
    expect(typesOf(entries, "snapshot-isolation")).toEqual([])
    expect(typesOf(entries, "serializable")).toEqual(["G2-item"])
  })

  test("the cycle that is told is a shortest one", () => {
    const ring = Array.from({ length: 9 }, (_, index) =>
      committed(append(index, 1), read((index + 8) % 9, [1]), ...(index === 4 ? [read(5, [1])] : [])),
    )
    const { anomalies } = check(ring, "read-committed")
    expect(anomalies).toHaveLength(1)
    expect(anomalies[0]?.cycle).toHaveLength(2)
    expect(anomalies[0]?.transactions.toSorted()).toEqual([4, 5])
  })

  test("cycles apart from each other are told apart, and all are counted", () => {
    const pairs = Array.from({ length: 20 }, (_, pair) => [
      committed(append(`x${pair}`, 1), read(`y${pair}`, [1])),
      committed(append(`y${pair}`, 1), read(`x${pair}`, [1])),
    ]).flat()
    const { anomalies, counts } = check(pairs, "read-committed")
    expect(anomalies).toHaveLength(8)
    expect(counts.anomalies).toEqual({ G1c: 20 })
  })
})

describe("the order of time", () => {
  const stale = [
    { ...committed(append("x", 1)), process: 1, invoked: 0, completed: 1 },
    { ...committed(read("x", [])), process: 2, invoked: 2, completed: 3 },
    { ...committed(read("x", [1])), process: 2, invoked: 4, completed: 5 },
  ]

  test("a stale read is serializable, but not strictly so", () => {
    expect(typesOf(stale, "serializable")).toEqual([])
    expect(typesOf(stale, "strong-session-serializable")).toEqual([])
    const { anomalies } = check(stale, "strict-serializable")
    expect(anomalies.map(({ type }) => type)).toEqual(["G-single-realtime"])
    expect(anomalies[0]?.explanation).toContain("T0 had ended, at 1, when T1 began, at 2")
    expect(typesOf(stale, "strong-snapshot-isolation")).toEqual(["G-single-realtime"])
  })

  test("transactions that end and begin at the same position are not ordered", () => {
    const touching = [stale[0], { ...stale[1], invoked: 1 }] as ListEntry[]
    expect(typesOf(touching, "strict-serializable")).toEqual([])
  })

  test("a process that does not see its own last append breaks its session only", () => {
    const entries = [
      { ...committed(append("x", 1)), process: 1, invoked: 0, completed: 1 },
      { ...committed(read("x", [])), process: 1, invoked: 2, completed: 3 },
    ]
    expect(typesOf(entries, "serializable")).toEqual([])
    expect(typesOf(entries, "snapshot-isolation")).toEqual([])
    expect(typesOf(entries, "strong-session-serializable")).toEqual(["G-single-process"])
    expect(typesOf(entries, "strong-session-snapshot-isolation")).toEqual(["G-single-process"])
  })

  test("real time is followed over any number of transactions between", () => {
    const between = Array.from({ length: 50 }, (_, index) => ({
      ...committed(append("other", index)),
      invoked: 10 + index * 2,
      completed: 11 + index * 2,
    }))
    const late = { ...committed(read("x", [])), process: 3, invoked: 500, completed: 501 }
    const { anomalies } = check([stale[0] as ListEntry, ...between, late], "strict-serializable")
    expect(anomalies.map(({ type, transactions }) => [type, transactions.toSorted((a, b) => a - b)])).toEqual([
      ["G-single-realtime", [0, 51]],
    ])
  })

  test("a model of real time needs positions", () => {
    const { invoked: _invoked, completed: _completed, ...entry } = committed(append("x", 1))
    expect(() => check([entry], "strict-serializable")).toThrow(/entry 0 says not when/)
    expect(check([entry], "serializable").valid).toBe(true)
  })
})

describe("unknown transactions", () => {
  test("one that nobody saw may not have been; one that somebody saw was", () => {
    const maybe = unknown(append("x", 1), append("y", 1))
    expect(check([maybe, committed(read("x", []), read("y", []))], "strict-serializable").counts.committed).toBe(1)
    expect(check([maybe, committed(read("x", [1]), read("y", [1]))], "strict-serializable").counts.committed).toBe(2)
    expect(typesOf([maybe, committed(read("x", [1]), read("y", []))], "serializable")).toEqual(["G-single"])
  })

  test("one that took place because another one saw it, which somebody saw, counts too", () => {
    const entries = [
      { ...unknown(append("x", 1), append("y", 1)) },
      { ...unknown(append("z", 1), read("x", [1])) },
      committed(read("z", [1]), read("y", [])),
      committed(read("y", [])),
    ]
    expect(check(entries, "serializable").counts).toMatchObject({ committed: 4, unknown: 0 })
    expect(typesOf(entries, "serializable")).toEqual(["G-single"])
    expect(check(entries.slice(0, 2), "serializable").counts).toMatchObject({ committed: 0, unknown: 2 })
  })

  test("one may take effect long after it was given up", () => {
    const entries = [
      { ...unknown(append("x", 1)), process: 1, invoked: 0, completed: 1 },
      { ...committed(read("x", [])), process: 1, invoked: 2, completed: 3 },
      { ...committed(read("x", [1])), process: 1, invoked: 4, completed: 5 },
    ]
    expect(typesOf(entries, "strict-serializable")).toEqual([])
    expect(typesOf(entries, "strong-session-serializable")).toEqual([])
  })

  test("one cannot take effect before it was begun", () => {
    const entries = [
      { ...committed(read("x", [1])), invoked: 0, completed: 1 },
      { ...unknown(append("x", 1)), invoked: 2 },
    ]
    expect(typesOf(entries, "strict-serializable")).toEqual(["G1c-realtime"])
  })
})

describe("crashes", () => {
  const written = { ...committed(append("x", 1)), invoked: 0, completed: 1 }
  const readBefore = { ...committed(read("x", [1])), invoked: 2, completed: 3 }
  const readAfter = { ...committed(read("x", [])), invoked: 5, completed: 6 }

  test("an acknowledged append that a read after a crash lacks is a lost write, in any model", () => {
    for (const model of ["read-uncommitted", "snapshot-isolation", "serializable"] as const) {
      expect(typesOf([written, readAfter], model, [4])).toEqual(["lost-write"])
      expect(typesOf([written, readAfter], model)).toEqual([])
    }
    expect(check([written, readAfter], "serializable", [4]).anomalies[0]?.explanation).toBe(
      'T0 appended 1 to "x" and was acknowledged before a crash, but after it T1 read "x" as []',
    )
  })

  test("an append that was in flight at the crash may be lost, or not", () => {
    const inFlight = { ...written, completed: 5 }
    expect(typesOf([inFlight, readAfter], "serializable", [4])).toEqual([])
    expect(typesOf([{ ...unknown(append("x", 1)) }, readAfter], "serializable", [4])).toEqual([])
  })

  test("an append that was acknowledged without durability may be lost, but not seen by one with it", () => {
    const early = { ...written, durable: false }
    expect(typesOf([early, readAfter], "strict-serializable", [4])).toEqual([])
    expect(typesOf([early, { ...readBefore, durable: false }, readAfter], "strict-serializable", [4])).toEqual([])
    expect(typesOf([early, readBefore, readAfter], "serializable", [4])).toEqual(["lost-write"])
    expect(typesOf([early, readAfter], "strict-serializable")).toEqual(["G-single-realtime"])
  })

  test("the crash that counts lies between the acknowledgement and the read", () => {
    expect(
      typesOf(
        [
          { ...written, invoked: 5, completed: 6 },
          { ...readAfter, invoked: 7, completed: 8 },
        ],
        "serializable",
        [4],
      ),
    ).toEqual([])
    expect(typesOf([written, { ...readAfter, invoked: 9, completed: 10 }], "serializable", [4, 8])).toEqual([
      "lost-write",
    ])
  })
})

describe("arguments", () => {
  test("a value that is appended twice to a key is refused, as nobody can tell whose is seen", () => {
    expect(() => check([committed(append("x", 1)), aborted(append("x", 1))], "serializable")).toThrow(
      'entries 0 and 1 both append 1 to "x"',
    )
    expect(check([committed(append("x", 1), append("x", "1")), committed(append("y", 1))], "serializable").valid).toBe(
      true,
    )
  })

  test.each([
    ["no history", [] as unknown, /an object with a list of entries/],
    ["an entry without outcome", { entries: [{ process: 1, operation: [] }] }, /entry 0 .* has no outcome/],
    ["an entry without process", { entries: [{ outcome: "committed", operation: [] }] }, /names no process/],
    [
      "an end before the begin",
      { entries: [{ process: 1, operation: [], outcome: "committed", invoked: 2, completed: 1 }] },
      /ends before it begins/,
    ],
    ["crashes out of order", { entries: [], crashes: [2, 1] }, /given in order/],
    [
      "an operation that is no list",
      { entries: [{ process: 1, operation: 5, outcome: "committed" }] },
      /no list of appends and reads/,
    ],
    [
      "another kind of operation",
      { entries: [{ process: 1, operation: [{ kind: "write", key: 1 }], outcome: "committed" }] },
      /an "append" or a "read"/,
    ],
  ])("%s is refused", (_what, history, message) => {
    // What a caller without types could pass.
    expect(() => listAppend(history as never, { model: "serializable" })).toThrow(message)
  })

  test("a model that there is not is refused", () => {
    expect(() => check([], "linearizable" as IsolationModel)).toThrow(/there is no model "linearizable": use read-unc/)
  })
})
