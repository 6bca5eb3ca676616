// Which live values a change comes to that are over parts of an index: those whose part its row enters, leaves or stays in,
// also where they have read it from the table, and nobody else.

import fc from "fast-check"
import { describe, expect, test } from "vitest"
import type { Change, Commit } from "../../src/model/change.ts"
import { probes } from "../../src/model/invariant.ts"
import { lsnOf } from "../../src/model/lsn.ts"
import { IndexPart } from "../../src/streams/index-part.ts"
import type { LiveIndex } from "../../src/streams/index-part.ts"
import { LiveIndexRoutes } from "../../src/streams/live-index-routes.ts"
import type { LiveSource } from "../../src/streams/live-node.ts"
import { LiveQuery } from "../../src/streams/live-query.ts"
import { LiveRouter } from "../../src/streams/live-router.ts"
import { TableStage } from "../../src/streams/live-stage.ts"

/** Each letter of a value is a key of it; "!" is refused. */
const letters: LiveIndex = {
  keysOf: (_key, value) => {
    if (value === "!") throw new Error("no key")
    return Array.from(String(value))
  },
}

function partOf(low: string, high?: string): IndexPart {
  return new IndexPart(letters, low, high, false, high === undefined ? low : undefined)
}

function changeOf(key: string, value: string | undefined, lsn: number): Change {
  return { kind: value === undefined ? "delete" : "put", table: "t", key, value, lsn: lsnOf(lsn) }
}

function commit(lsn: number, changes: Readonly<Record<string, string | undefined>>): Commit {
  const made = Object.entries(changes).map(([key, value]) => changeOf(key, value, lsn))
  return { lsn: lsnOf(lsn), timeMs: 0, cursor: "", changes: made }
}

function queryOver(router: LiveRouter, part: IndexPart, looked?: string[]): LiveQuery<string> {
  const where = (value: unknown, key: string): boolean => {
    looked?.push(`${key}${String(value)}`)
    return true
  }
  const query = new LiveQuery<string>(
    router,
    [{ table: "t", prefix: "", part }],
    (shown) => new TableStage({ part, where }, shown instanceof TableStage ? shown : undefined),
  )
  router.add(query)
  return query
}

const rowsOf = (query: LiveQuery<string>): string => query.result.map(({ key, value }) => key + value).join(" ")

describe("a live value over a part of an index", () => {
  test("gets the rows that enter its part, leave it or stay in it, and no others", () => {
    const router = new LiveRouter(() => undefined)
    const looked: string[] = []
    const query = queryOver(router, partOf("b"), looked)
    const range = queryOver(router, partOf("b", "d"))
    for (const node of [query, range]) {
      node.begin(0)
      node.finish()
    }
    router.commit(commit(1, { "1": "a", "2": "b", "3": "cz", "4": "z" }))
    router.commit(commit(2, { "1": "ab", "3": "z", "4": undefined }))
    expect([rowsOf(query), rowsOf(range)]).toEqual(["1ab 2b", "1ab 2b"])
    router.commit(commit(3, { "1": "a", "2": "xb", "3": "bcb" }))
    router.commit(commit(4, { "2": undefined }))
    expect([rowsOf(query), rowsOf(range)]).toEqual(["3bcb", "3bcb"])
    router.commit(commit(5, { "3": "!" }))
    expect(query.error).toMatchObject({ code: "ORRERY_QUERY_FAILED" })
    expect(new Set(looked)).toEqual(new Set(["1ab", "2b", "2xb", "3bcb"]))
  })

  test("hears of rows that it has read from the table, and that left its part behind its snapshot", () => {
    const router = new LiveRouter(() => undefined)
    const query = queryOver(router, partOf("b"))
    router.commit(commit(1, { x: "b" }))
    query.begin(2)
    router.commit(commit(3, { "1": "a", "2": undefined, "4": "b" }))
    for (const key of ["1", "2", "3", "5"]) query.load(0, key, "b", 1)
    router.commit(commit(4, { "4": "z", "5": "bb" }))
    query.finish()
    expect(rowsOf(query)).toBe("3b 5bb")
    router.commit(commit(5, { "3": "c", "5": undefined }))
    expect(rowsOf(query)).toBe("")
  })

  test("does not lose sight of a row by a commit that comes late, and that its snapshot has", () => {
    const router = new LiveRouter(() => undefined)
    const query = queryOver(router, partOf("b"))
    query.begin(5)
    query.load(0, "1", "b", 5)
    query.finish()
    router.commit(commit(4, { "1": "a" }))
    expect(rowsOf(query)).toBe("1b")
    router.commit(commit(6, { "1": undefined }))
    expect(rowsOf(query)).toBe("")
  })

  test("hears of rows again that moved while the feed had lost its place", () => {
    const router = new LiveRouter(() => undefined)
    const queries = ["a", "b"].map((letter) => queryOver(router, partOf(letter)))
    for (const query of queries) {
      query.begin(0)
      query.finish()
    }
    router.commit(commit(1, { "1": "a" }))
    for (const query of queries) query.interrupt()
    // The commit 2 has moved it, and nobody has seen that.
    for (const query of queries) query.begin(2)
    queries[1]?.load(0, "1", "b", 2)
    for (const query of queries) query.finish()
    router.commit(commit(3, { "1": "c" }))
    expect(queries.map(rowsOf)).toEqual(["", ""])
  })
})

describe("the routes of an index", () => {
  test("find everybody who wants the part of a value once, and nobody for long who has gone", () => {
    const routes = new LiveIndexRoutes<string>(letters)
    const sources = Array.from({ length: 400 }, (): LiveSource => ({ table: "t", prefix: "" }))
    const part = (n: number): IndexPart => partOf(String.fromCodePoint(0x4e00 + (n >> 1)))
    for (const [n, source] of sources.entries()) routes.add(part(n), source, `target ${n}`)
    routes.add(partOf("a", "z"), { table: "t", prefix: "" }, "range")
    const found = (value: string): string[] =>
      routes.route(changeOf(`k${value}`, value, 1), false).flatMap(({ targets }) => [...targets.values()])
    expect(found("bbc")).toEqual(["range"])
    const both = String.fromCodePoint(0x4e00, 0x4e00)
    expect(found(both)).toEqual(["target 0", "target 1"])
    expect(found(both)).toEqual(["target 0", "target 1"])
    for (let n = 0; n < 200; n++) found(String.fromCodePoint(0x4e00 + n))
    expect(routes.placeCount).toBe(202)
    const swept = "places of records in parts that nobody wants are forgotten"
    const before = probes().get(swept) ?? 0
    for (const [n, source] of sources.entries()) routes.remove(part(n), source)
    expect(probes().get(swept)).toBeGreaterThan(before)
    // No more than the parts that went since.
    expect(routes.placeCount).toBeLessThanOrEqual(70)
    expect(found(both)).toEqual([])
    expect(routes.isEmpty).toBe(false)
  })

  test("find those whose keys or ranges a value enters, leaves or stays in, as a look at each of them would", () => {
    const letter = fc.constantFrom("a", "b", "c", "d", "e", "f", "g", "h")
    const part = fc
      .tuple(letter, fc.option(letter, { nil: undefined }), fc.boolean())
      .map(([low, high, isRange]) => (isRange ? new IndexPart(letters, low, high, false) : partOf(low)))
    const step = fc.oneof(
      fc.record({ key: fc.constantFrom("1", "2"), value: fc.option(fc.string({ unit: letter, maxLength: 4 })) }),
      fc.record({ toggled: fc.nat(15) }),
    )
    fc.assert(
      fc.property(
        fc.array(part, { minLength: 16, maxLength: 16 }),
        fc.array(step, { maxLength: 60 }),
        (parts, steps) => {
          const sources = parts.map((): LiveSource => ({ table: "t", prefix: "" }))
          const routes = new LiveIndexRoutes<number>(letters)
          const wanted = new Set<number>()
          const noted = new Map<string, Set<number>>()
          for (const each of steps) {
            if ("toggled" in each) {
              const { toggled } = each
              const [its, source] = [parts[toggled] as IndexPart, sources[toggled] as LiveSource]
              if (wanted.delete(toggled)) {
                routes.remove(its, source)
                for (const known of noted.values()) known.delete(toggled)
              } else {
                wanted.add(toggled)
                routes.add(its, source, toggled)
                // Who wants a part that somebody wants already is told of what is known to be in it.
                for (const known of noted.values()) {
                  if ([...known].some((other) => isSamePart(parts[other] as IndexPart, its))) known.add(toggled)
                }
              }
              continue
            }
            const { key, value } = each
            const now = [...wanted].filter((n) => Array.from(value ?? "").some((unit) => parts[n]?.holds(unit)))
            const expected = new Set([...now, ...(noted.get(key) ?? [])])
            const found = routes
              .route(changeOf(key, value ?? undefined, 1), false)
              .flatMap(({ targets }) => [...targets.values()])
            expect(found.toSorted((left, right) => left - right)).toEqual(
              [...expected].sort((left, right) => left - right),
            )
            noted.set(key, new Set(now))
          }
        },
      ),
      { numRuns: 200 },
    )
  })
})

function isSamePart(left: IndexPart, right: IndexPart): boolean {
  return left.equal === right.equal && left.low === right.low && left.high === right.high
}
