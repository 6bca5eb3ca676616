// How commits come to live values, without a store: what is taken in, what is not, and who is told when.

import { describe, expect, test } from "vitest"
import type { Commit } from "../../src/model/change.ts"
import { lsnOf } from "../../src/model/lsn.ts"
import { LiveQuery } from "../../src/streams/live-query.ts"
import { LiveRouter } from "../../src/streams/live-router.ts"
import type { LiveSource } from "../../src/streams/live-node.ts"
import { TableStage } from "../../src/streams/live-stage.ts"
import { LiveWatch } from "../../src/streams/live-watch.ts"
import { LiveIterator } from "../../src/streams/live-iterator.ts"

function commit(lsn: number, ...changes: readonly (readonly [string, number | undefined])[]): Commit {
  const made = {
    lsn: lsnOf(lsn),
    timeMs: 0,
    cursor: "",
    changes: changes.map(([place, value]) => {
      const [table = "", key = ""] = place.split("/")
      const kind: "delete" | "put" = value === undefined ? "delete" : "put"
      return { kind, table, key, value, lsn: lsnOf(lsn) }
    }),
  }
  return made
}

function queryOf(router: LiveRouter, source: LiveSource): LiveQuery<number> {
  const query = new LiveQuery<number>(
    router,
    [source],
    (shown) => new TableStage({}, shown instanceof TableStage ? shown : undefined),
  )
  router.add(query)
  return query
}

const rowsOf = (query: LiveQuery<number>): string => query.result.map(({ key, value }) => `${key}${value}`).join(" ")

describe("a live value that begins", () => {
  test("takes in what followed its snapshot once, and nothing that the snapshot has", () => {
    const router = new LiveRouter(() => undefined)
    const query = queryOf(router, { table: "t", prefix: "" })
    const seen: number[] = []
    query
      .deltas()
      .observable()
      .subscribe(({ lsn }) => seen.push(lsn))
    router.commit(commit(1, ["t/x", 1]))
    query.begin(5)
    router.commit(commit(4, ["t/a", 4]))
    query.load(0, "a", 5, 5)
    query.load(0, "b", 3, 3)
    router.commit(commit(5, ["t/a", 5]))
    router.commit(commit(6, ["t/b", undefined], ["t/c", 6]))
    query.finish()
    router.shown([query])
    expect(rowsOf(query)).toBe("a5 c6")
    expect([query.lsn, seen]).toEqual([6, [6]])
  })

  test("lets commits pass that come late, and are in its snapshot", () => {
    const router = new LiveRouter(() => undefined)
    const query = queryOf(router, { table: "t", prefix: "" })
    query.begin(5)
    query.load(0, "a", 5, 5)
    query.finish()
    router.commit(commit(4, ["t/a", 4], ["t/b", 4]))
    expect(rowsOf(query)).toBe("a5")
    expect(query.lsn).toBe(5)
    router.commit(commit(6, ["t/a", 6]))
    expect(rowsOf(query)).toBe("a6")
  })

  test("anew shows what it showed until it is there, and then the difference", () => {
    const router = new LiveRouter(() => undefined)
    const query = queryOf(router, { table: "t", prefix: "" })
    const deltas: string[] = []
    query
      .deltas()
      .observable()
      .subscribe((batch) => deltas.push(batch.deltas.map(({ type, key }) => type + key).join()))
    query.begin(1)
    for (const key of ["a", "b"]) query.load(0, key, 1, 1)
    query.finish()
    router.shown([query])
    query.interrupt()
    router.commit(commit(2, ["t/a", 2]))
    query.begin(3)
    query.load(0, "b", 1, 1)
    query.load(0, "c", 3, 3)
    expect([rowsOf(query), query.lsn]).toEqual(["a1 b1", 1])
    const [, kept] = query.result
    query.finish()
    router.shown([query])
    expect(rowsOf(query)).toBe("b1 c3")
    expect(query.result[0]).toBe(kept)
    expect(deltas).toEqual(["entera,enterb", "leavea,enterc"])
  })
})

test("changes come to those who want their table, prefix or key, and to nobody else", () => {
  const forgotten: unknown[] = []
  const router = new LiveRouter((node) => forgotten.push(node))
  const queries = ["", "a", "ab", "b"].map((prefix) => queryOf(router, { table: "t", prefix }))
  const watch = new LiveWatch<number>(router, "t", "ab")
  router.add(watch)
  for (const node of [...queries, watch]) {
    node.begin(0)
    node.finish()
  }
  router.commit(commit(1, ["t/ab", 1], ["t/ax", 2], ["t/b", 3], ["u/ab", 9], ["t/", 4]))
  expect(queries.map(rowsOf)).toEqual(["4 ab1 ax2 b3", "ab1 ax2", "ab1", "b3"])
  expect(watch.result).toBe(1)
  for (const node of [...queries, watch]) node.close()
  expect(router.nodes.size).toBe(0)
  expect(forgotten).toHaveLength(5)
  router.commit(commit(2, ["t/ab", 5]))
  expect(rowsOf(queries[0] as LiveQuery<number>)).toBe("4 ab1 ax2 b3")
})

test("a listener is called once for all commits of a turn, and not by one that changed nothing", async () => {
  const router = new LiveRouter(() => undefined)
  const query = queryOf(router, { table: "t", prefix: "" })
  query.begin(0)
  query.finish()
  let calls = 0
  query.subscribe(() => calls++)
  for (let lsn = 1; lsn < 50; lsn++) router.commit(commit(lsn, ["t/a", lsn]))
  expect(calls).toBe(0)
  await Promise.resolve()
  expect(calls).toBe(1)
  router.commit(commit(50, ["u/a", 1]))
  router.commit(commit(51, ["t/a", 49]))
  await Promise.resolve()
  expect(calls).toBe(1)
  expect(query.lsn).toBe(51)
})

test("an iterator lets a bounded number of calls wait", async () => {
  const iterator = new LiveIterator<number>(
    () => undefined,
    () => undefined,
  )
  const waiting = Array.from({ length: 1_024 }, () => iterator.next())
  await expect(iterator.next()).rejects.toMatchObject({ code: "ORRERY_LIMIT_EXCEEDED" })
  await iterator.return()
  expect(new Set((await Promise.all(waiting)).map(({ done }) => done))).toEqual(new Set([true]))
})
