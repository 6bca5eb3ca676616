// Secondary indexes: what they cost those who write, what they give those who read, what they weigh, and how long they take
// to be built; against SQLite with the same indexes. The records are those of W1, under keys in random order; the indexes are
// of a number with 1,000 values, of a unique text, and of a number that differs from record to record.

import { join } from "node:path"
import type { TableHandle } from "../src/index.ts"
import type { Context, Row, Series, Variant } from "./harness.ts"
import { interleave, notesOf, ratiosOf } from "./harness.ts"
import { openOrrery } from "./peers/orrery.ts"
import type { Database, Statement } from "./peers/sqlite.ts"
import { figure, formatRate } from "./report.ts"
import type { Report } from "./report.ts"
import { expectEqual, PauseWatch } from "./scenario.ts"
import type { Measured, ScenarioInput, Scenarios } from "./scenario.ts"
import { medianOf, spread } from "./statistics.ts"
import { keyOf, Latencies, recordOf, runCallers, SEED, shuffled } from "./workload.ts"
import type { UserRecord } from "./workload.ts"

const GROUP_COUNT = 1_000
const READ_COUNT = 100_000
const RANGE_SIZE = 10

export const scenarios: Scenarios = { orrery, sqlite }

const definitions = {
  group: (user: UserRecord): number => user.id % GROUP_COUNT,
  email: { of: (user: UserRecord): string => user.email, unique: true },
  ts: (user: UserRecord): number => user.ts,
} as const

/** `mode`: how many of the indexes there are. */
async function orrery({ directory, count, callers, mode, round }: ScenarioInput): Promise<Measured> {
  const { store } = await openOrrery(directory, { checkpoint: false })
  const indexCount = Number(mode)
  const indexes = Object.fromEntries(Object.entries(definitions).slice(0, indexCount))
  const users = store.table<UserRecord>("users", { indexes })
  const order = shuffled(count, SEED + round)
  const putAll = (change: number): Promise<Record<string, number>> =>
    timed(count, () =>
      runCallers(
        callers,
        count,
        (index) => {
          const n = order[index] as number
          const record = recordOf(n)
          return users.put(
            keyOf(n),
            change === 0 ? record : { ...record, id: record.id + change, ts: record.ts + change },
          )
        },
        new Latencies(),
      ),
    )
  const fresh = await putAll(0)
  const changed = await putAll(1)
  expectEqual("records", users.size, count)
  const numbers: Record<string, number> = {
    putsPerSecond: fresh["perSecond"] ?? 0,
    cpuNsPerPut: fresh["cpuNs"] ?? 0,
    changesPerSecond: changed["perSecond"] ?? 0,
    cpuNsPerChange: changed["cpuNs"] ?? 0,
  }
  if (indexCount === 3) Object.assign(numbers, await readOrrery(users, count, round))
  await store.close()
  return { numbers }
}

async function readOrrery(
  users: TableHandle<UserRecord>,
  count: number,
  round: number,
): Promise<Record<string, number>> {
  const [group, email, ts] = [users.index("group"), users.index("email"), users.index("ts")]
  const order = shuffled(count, SEED - round).subarray(0, READ_COUNT)
  const numbers: Record<string, number> = {}
  for (const { name, entries, bytes } of users.indexes()) {
    expectEqual(`entries of ${name}`, entries, count)
    numbers[`${name}BytesPerRecord`] = bytes / count
  }
  const lookup = await timed(order.length, () => {
    for (const n of order) expectEqual("who has it", email.find(recordOf(n).email), keyOf(n))
  })
  const ranges = await timed(order.length, () => {
    for (const n of order) {
      const found = [...ts.entries({ from: recordOf(n).ts + 1, limit: RANGE_SIZE })]
      expectEqual("of a range", found.length, Math.min(RANGE_SIZE, count - n))
    }
  })
  const counts = await timed(order.length, () => {
    for (const n of order) expectEqual("of a group", group.count(n % GROUP_COUNT) > 0, true)
  })
  const startMs = performance.now()
  await users.createIndex("again", definitions.group)
  numbers["buildNsPerRecord"] = ((performance.now() - startMs) * 1e6) / count
  numbers["lookupNs"] = lookup["cpuNs"] ?? 0
  numbers["rangeNs"] = ranges["cpuNs"] ?? 0
  numbers["countNs"] = counts["cpuNs"] ?? 0
  return numbers
}

/** The same in SQLite, in transactions of 1,000; the values as JSON, what is indexed in columns of its own. */
async function sqlite({ directory, count, batch, mode, round }: ScenarioInput): Promise<Measured> {
  const { openSqlite } = await import("./peers/sqlite.ts")
  const database = openSqlite(join(directory, "indexes.sqlite"))
  database.exec(
    "CREATE TABLE users (key TEXT PRIMARY KEY, value TEXT NOT NULL, grp INTEGER, email TEXT, ts INTEGER) WITHOUT ROWID",
  )
  const create = ["INDEX byGroup ON users (grp)", "UNIQUE INDEX byEmail ON users (email)", "INDEX byTs ON users (ts)"]
  for (const index of create.slice(0, Number(mode))) database.exec(`CREATE ${index}`)
  const statements = {
    begin: database.prepare("BEGIN"),
    commit: database.prepare("COMMIT"),
    put: database.prepare("INSERT OR REPLACE INTO users VALUES (?, ?, ?, ?, ?)"),
  }
  const order = shuffled(count, SEED + round)
  const putAll = (change: number): Promise<Record<string, number>> =>
    timed(count, () => {
      for (let from = 0; from < count; from += batch) putSome(statements, order.subarray(from, from + batch), change)
    })
  const fresh = await putAll(0)
  const changed = await putAll(1)
  const numbers: Record<string, number> = {
    putsPerSecond: fresh["perSecond"] ?? 0,
    cpuNsPerPut: fresh["cpuNs"] ?? 0,
    changesPerSecond: changed["perSecond"] ?? 0,
    cpuNsPerChange: changed["cpuNs"] ?? 0,
  }
  if (Number(mode) === 3) Object.assign(numbers, await readSqlite(database, count, round))
  database.close()
  return { numbers }
}

function putSome(
  { begin, commit, put }: Readonly<Record<"begin" | "commit" | "put", Statement>>,
  order: Uint32Array,
  change: number,
): void {
  begin.run()
  for (const n of order) {
    const record = recordOf(n)
    const value = { ...record, id: record.id + change, ts: record.ts + change }
    put.run(keyOf(n), JSON.stringify(value), value.id % GROUP_COUNT, value.email, value.ts)
  }
  commit.run()
}

async function readSqlite(database: Database, count: number, round: number): Promise<Record<string, number>> {
  const order = shuffled(count, SEED - round).subarray(0, READ_COUNT)
  const byEmail = database.prepare("SELECT key FROM users WHERE email = ?")
  const byTs = database.prepare(`SELECT key, value FROM users WHERE ts >= ? ORDER BY ts, key LIMIT ${RANGE_SIZE}`)
  const ofGroup = database.prepare("SELECT count(*) AS count FROM users WHERE grp = ?")
  const lookup = await timed(order.length, () => {
    for (const n of order) {
      const row = byEmail.get(recordOf(n).email) as { readonly key: string }
      expectEqual("who has it", row.key, keyOf(n))
    }
  })
  const ranges = await timed(order.length, () => {
    for (const n of order) {
      const rows = byTs.all(recordOf(n).ts + 1) as { readonly key: string; readonly value: string }[]
      const found = rows.map(({ key, value }) => [key, JSON.parse(value) as UserRecord])
      expectEqual("of a range", found.length, Math.min(RANGE_SIZE, count - n))
    }
  })
  const few = order.subarray(0, READ_COUNT / 100)
  const counts = await timed(few.length, () => {
    for (const n of few) {
      const row = ofGroup.get(n % GROUP_COUNT) as { readonly count: number }
      expectEqual("of a group", row.count > 0, true)
    }
  })
  const startMs = performance.now()
  database.exec("CREATE INDEX again ON users (grp)")
  return {
    buildNsPerRecord: ((performance.now() - startMs) * 1e6) / count,
    lookupNs: lookup["cpuNs"] ?? 0,
    rangeNs: ranges["cpuNs"] ?? 0,
    countNs: counts["cpuNs"] ?? 0,
  }
}

/** Rates by the clock, and the time of the main thread, which others on the machine disturb less. */
async function timed(count: number, work: () => unknown): Promise<Record<string, number>> {
  const watch = new PauseWatch()
  const startMs = performance.now()
  await work()
  const elapsedMs = performance.now() - startMs
  const { threadCpuMs } = await watch.stop()
  return { perSecond: (count / elapsedMs) * 1_000, cpuNs: ((threadCpuMs ?? Number.NaN) * 1e6) / count }
}

function lineOf(series: Series): string[] {
  if (!series.isMeasured) return [series.name, series.status]
  const ns = (name: string): string => {
    const values = series.values(name)
    return values.every(Number.isFinite) && values.length > 0 ? `${medianOf(values).toFixed(0)} ns` : "–"
  }
  return [
    series.name,
    spread(series.values("putsPerSecond"), formatRate),
    ns("cpuNsPerPut"),
    spread(series.values("changesPerSecond"), formatRate),
    ns("cpuNsPerChange"),
    ns("lookupNs"),
    ns("rangeNs"),
    ns("countNs"),
    ns("buildNsPerRecord"),
  ]
}

async function run(context: Context): Promise<Report> {
  // SQLite's pages are far beyond its cache: in random order each put reads and writes several. With a million records each
  // of its runs took many minutes.
  const count = context.isQuick ? 20_000 : 100_000
  const rounds = context.rounds(context.isQuick ? 1 : 2)
  const variant = (name: string, scenario: string, mode: string): Variant => ({
    name,
    scenario,
    input: { count, callers: 1_000, batch: 1_000, mode, ...(scenario === "sqlite" ? { peer: "sqlite" } : {}) },
  })
  const modes = [
    ["0", "no index"],
    ["1", "an index"],
    ["3", "three indexes, one of them unique"],
  ] as const
  const variants = modes.flatMap(([mode, name]) => [
    variant(name, "orrery", mode),
    variant(`SQLite, ${name}`, "sqlite", mode),
  ])
  const all = await interleave(context, "indexes", variants, rounds, ({ numbers }) =>
    formatRate(numbers["putsPerSecond"] ?? 0),
  )
  const named = (name: string): Series | undefined => all.find((series) => series.name === name)
  const [none, one, three] = modes.map(([, name]) => named(name))
  const peer = named(`SQLite, ${modes[2][1]}`)
  const bytes = (name: string): number[] => (three?.isMeasured === true ? three.values(`${name}BytesPerRecord`) : [])
  return {
    title: "Secondary indexes",
    setting: `${count.toLocaleString("en")} records of W1 in random order, put and then changed, 1,000 callers, synced; SQLite in transactions of 1,000. ${READ_COUNT.toLocaleString("en")} lookups in a unique index, ranges of ${RANGE_SIZE} with their values, counts of one key in ${GROUP_COUNT.toLocaleString("en")}; one more index on the full table. ${rounds} rounds. Times a call are the main thread's.`,
    tables: [
      {
        header: ["way", "puts/s", "a put", "changes/s", "a change", "lookup", "range", "count", "build, a record"],
        rows: all.map(lineOf),
      },
    ],
    figures: [
      figure("puts with an index against none", { atLeast: 0.5 }, ratiosOf(one, none, "putsPerSecond")),
      figure("puts with three indexes against SQLite's", { atLeast: 2 }, ratiosOf(three, peer, "putsPerSecond")),
      figure("a lookup, SQLite's time against ours", { atLeast: 2 }, ratiosOf(peer, three, "lookupNs")),
      figure("a range, SQLite's time against ours", { atLeast: 1 }, ratiosOf(peer, three, "rangeNs")),
      figure("memory an entry, 1,000 values", { atMost: 40, unit: " B" }, bytes("group"), 0),
      figure("memory an entry, unique text", { atMost: 60, unit: " B" }, bytes("email"), 0),
    ],
    notes: notesOf(all),
  }
}

export const row: Row = {
  name: "indexes",
  title: "Secondary indexes: writes, lookups, ranges, builds, against SQLite",
  estimateSeconds: (isQuick) => (isQuick ? 20 : 150),
  hasQuickSize: true,
  run,
}
