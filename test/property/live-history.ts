// Live queries that follow the stores of a history, over reopenings, killed actors and failing disks, and keep what they
// showed at every step; and the truth that it is held against: the log, folded, filtered, sorted and sliced by hand.

import { expect } from "vitest"
import { aggregates, applyDeltas } from "../../src/index.ts"
import type { Commit, LiveDeltas, LiveQuery, LiveRow, LiveValue, Store, TableHandle } from "../../src/index.ts"
import type { Entry } from "./store-history.ts"

/** What something showed at a commit. */
interface Shown {
  readonly what: string
  readonly lsn: number
  readonly value: unknown
}

type Rows = readonly (readonly [string, Entry])[]

interface Definition {
  readonly make: (store: Store) => LiveValue<unknown>
  /** What it should show, of the tables t0 and t1. */
  readonly naive: (left: Rows, right: Rows) => unknown
}

const byKey = (rows: Rows): Rows => [...rows].sort(([left], [right]) => (left < right ? -1 : 1))
const rowsOf = (rows: readonly (readonly [string, unknown])[]): unknown => rows.map(([key, value]) => ({ key, value }))
const numbers = (rows: Rows): number[] => rows.map(([, { n }]) => n)

/** Indexes of both tables: the same whoever opens the table. */
const INDEXES = {
  rest: { of: ({ n }: Entry): number | undefined => (n % 5 === 4 ? undefined : n % 5), version: 1 },
  marks: { many: true, of: (entry: Entry): readonly number[] => marksOf(entry), version: 1 },
} as const

const marksOf = ({ n, pad }: Entry): readonly number[] => [n % 3, (n % 7) + 2, pad.length % 11]
/** The greatest mark from 2 up to 6. */
const placeOf = (entry: Entry): number => Math.max(-1, ...marksOf(entry).filter((mark) => mark >= 2 && mark < 6))

function indexed(store: Store, table: string): TableHandle<Entry> {
  return store.table<Entry>(table, { indexes: INDEXES })
}

/** Queries whose deltas are followed too. */
const QUERIES = {
  all: (store: Store): LiveQuery<unknown> => store.table<Entry>("t0").live(),
  ranked: (store: Store): LiveQuery<unknown> =>
    store.table<Entry>("t0").live({
      where: ({ n }) => n % 4 !== 0,
      orderBy: [{ by: ({ pad }) => pad.length % 5, direction: "descending" }, { by: ({ n }) => n }],
      offset: 1,
      limit: 2,
      select: ({ n }) => ({ n }),
    }),
  inIndex: (store: Store): LiveQuery<unknown> =>
    indexed(store, "t1").live({
      index: "marks",
      range: { from: 2, to: 6, reverse: true },
      where: ({ n }) => n % 8 !== 0,
      limit: 3,
    }),
}

const DEFINITIONS: Readonly<Record<string, Definition>> = {
  all: {
    make: QUERIES.all,
    naive: (rows) => rowsOf(byKey(rows)),
  },
  ranked: {
    make: QUERIES.ranked,
    naive: (rows) =>
      rowsOf(
        byKey(rows)
          .filter(([, { n }]) => n % 4 !== 0)
          .sort(([, left], [, right]) => (right.pad.length % 5) - (left.pad.length % 5) || left.n - right.n)
          .slice(1, 3)
          .map(([key, { n }]) => [key, { n }]),
      ),
  },
  prefixed: {
    make: (store) => store.table<Entry>("t1").live({ prefix: "a", limit: 3 }),
    naive: (_, rows) => rowsOf(byKey(rows.filter(([key]) => key.startsWith("a"))).slice(0, 3)),
  },
  joined: {
    make: (store) =>
      store.table<Entry>("t0").join<Entry, string>(store.table<Entry>("t1"), {
        on: ({ n }) => (n % 3 === 0 ? undefined : n % 3 === 1 ? "a" : "b"),
        select: (left, right, { right: name }) => `${left.n}/${name ?? "-"}/${right?.n ?? "-"}`,
        type: "left",
        orderBy: (text) => text,
      }),
    naive: (lefts, rights) => {
      const right = new Map(rights)
      const joined = byKey(lefts).map(([key, { n }]): [string, string] => {
        const name = n % 3 === 0 ? undefined : n % 3 === 1 ? "a" : "b"
        return [key, `${n}/${name ?? "-"}/${right.get(name ?? "-")?.n ?? "-"}`]
      })
      return rowsOf(joined.sort(([, left], [, other]) => (left === other ? 0 : left < other ? -1 : 1)))
    },
  },
  inIndex: {
    make: QUERIES.inIndex,
    naive: (_, rows) =>
      rowsOf(
        byKey(rows)
          .toReversed()
          .filter(([, entry]) => placeOf(entry) >= 0 && entry.n % 8 !== 0)
          .sort(([, left], [, right]) => placeOf(right) - placeOf(left))
          .slice(0, 3),
      ),
  },
  equalInIndex: {
    make: (store) => indexed(store, "t0").live({ index: "rest", equals: 2, orderBy: ({ n }) => -n }),
    naive: (rows) =>
      rowsOf(
        byKey(rows)
          .filter(([, { n }]) => n % 5 === 2)
          .sort(([, left], [, right]) => right.n - left.n),
      ),
  },
  sumInIndex: {
    make: (store) =>
      indexed(store, "t0")
        .live({ index: "rest" })
        .sum(({ n }) => n),
    naive: (rows) => numbers(rows.filter(([, { n }]) => n % 5 !== 4)).reduce((sum, n) => sum + n, 0),
  },
  joinedInIndex: {
    make: (store) =>
      indexed(store, "t0").join<Entry, string>(store.table<Entry>("t1"), {
        index: "rest",
        range: { through: 1 },
        on: ({ n }) => (n % 2 === 0 ? "a" : "b"),
        select: (left, right) => `${left.n}/${right.n}`,
      }),
    naive: (lefts, rights) => {
      const right = new Map(rights)
      const found = byKey(lefts)
        .filter(([, { n }]) => n % 5 <= 1 && right.has(n % 2 === 0 ? "a" : "b"))
        .sort(([, left], [, other]) => (left.n % 5) - (other.n % 5))
      return rowsOf(found.map(([key, { n }]) => [key, `${n}/${right.get(n % 2 === 0 ? "a" : "b")?.n}`]))
    },
  },
  watched: {
    make: (store) => store.table<Entry>("t1").watch("b"),
    naive: (_, rows) => new Map(rows).get("b"),
  },
  count: {
    make: (store) => store.table<Entry>("t0").live().count(),
    naive: (rows) => rows.length,
  },
  sum: {
    make: (store) =>
      store
        .table<Entry>("t0")
        .live()
        .sum(({ n }) => n),
    naive: (rows) => numbers(rows).reduce((sum, n) => sum + n, 0),
  },
  least: {
    make: (store) =>
      store
        .table<Entry>("t0")
        .live()
        .min(({ n }) => n),
    naive: (rows) => (rows.length === 0 ? undefined : Math.min(...numbers(rows))),
  },
  groups: {
    make: (store) =>
      store
        .table<Entry>("t0")
        .live()
        .groupBy(
          ({ n }) => n % 3,
          aggregates.max((row: Entry) => row.pad.length),
        ),
    naive: (rows) => {
      const groups = new Map<number, number>()
      for (const [, { n, pad }] of rows) groups.set(n % 3, Math.max(groups.get(n % 3) ?? 0, pad.length))
      return groups
    },
  },
}

/** Follows one store after another, and keeps what it is shown. */
export class LiveFollower {
  readonly shown: Shown[] = []
  #followed: Store | undefined
  #queries: LiveValue<unknown>[] = []

  /** Goes on with this store, if it is another one. */
  follow(store: Store): void {
    if (store === this.#followed) return
    this.#followed = store
    this.#queries = Object.entries(DEFINITIONS).map(([what, { make }]) => {
      const query = make(store)
      query.observable().subscribe({
        next: (value) => this.shown.push({ what, lsn: query.lsn, value: structuredClone(value) }),
        error: (reason: unknown) => expect(reason).toMatchObject({ code: "ORRERY_CLOSED" }),
      })
      return query
    })
    for (const [what, make] of Object.entries(QUERIES)) {
      let rows: LiveRow[] = []
      const query = make(store)
      query
        .deltas()
        .observable()
        .subscribe({
          next: ({ lsn, deltas }: LiveDeltas) => {
            rows = applyDeltas(rows, deltas)
            this.shown.push({ what, lsn, value: structuredClone(rows) })
            expect(rows).toEqual(query.result)
            expect(query.lsn).toBeGreaterThanOrEqual(lsn)
          },
          error: (reason: unknown) => expect(reason).toMatchObject({ code: "ORRERY_CLOSED" }),
        })
    }
  }

  /** What the last store's queries show now. */
  look(): void {
    for (const [index, what] of Object.keys(DEFINITIONS).entries()) {
      const query = this.#queries[index]
      if (query?.isReady === true) {
        this.shown.push({ what, lsn: query.lsn, value: structuredClone(query.result) })
      }
    }
  }

  get isReady(): boolean {
    return this.#queries.every((query) => query.isReady)
  }

  async ready(): Promise<void> {
    await Promise.all(this.#queries.map((query) => query.ready))
  }

  /** Holds everything that was shown against the log. */
  check(commits: readonly Commit[], tell: string): void {
    const tables = { t0: new Map<string, Entry>(), t1: new Map<string, Entry>() }
    const inOrder = [...this.shown].sort((left, right) => left.lsn - right.lsn)
    let next = 0
    for (const { what, lsn, value } of inOrder) {
      for (let commit = commits[next]; commit !== undefined && commit.lsn <= lsn; commit = commits[++next]) {
        for (const { table, key, kind, value: entry } of commit.changes) {
          if (table !== "t0" && table !== "t1") continue
          if (kind === "put") tables[table].set(key, entry as Entry)
          else tables[table].delete(key)
        }
      }
      const definition = DEFINITIONS[what] as Definition
      expect(value, `${what} at ${lsn}, ${tell}`).toEqual(definition.naive([...tables.t0], [...tables.t1]))
    }
  }
}

/** All commits of a store, with one more at the end that makes the end known. */
export async function commitsOf(store: Store): Promise<Commit[]> {
  const { lsn } = await store.table("end").put("end", "end")
  const commits: Commit[] = []
  for await (const commit of store.changes({ after: 0 })) {
    commits.push(commit)
    if (commit.lsn >= lsn) break
  }
  return commits
}
