// Live queries: what a change costs that a ranked result of 20 out of 100,000 rows has to follow, against libraries that
// keep such results; what it adds to the writers of a whole store; what 1,000 queries on one table cost together; and what a
// change costs that concerns one or two of many queries over keys of an index, or over ranges of it, each another one.
//
// The peers keep everything in memory and acknowledge nothing. They get their changes by the shortest way that they have,
// one at a time, and the result must be right behind each. The engine's figure is what the query adds to a put: the
// processor time of puts with the query less that of puts without, in turns, everything in one thread.

import type { LiveQuery } from "../src/index.ts"
import type { Context, Row, Series, Variant } from "./harness.ts"
import { interleave, notesOf } from "./harness.ts"
import { loadLivePeer } from "./peers/live-peers.ts"
import { openOrrery } from "./peers/orrery.ts"
import type { OrreryStore } from "./peers/orrery.ts"
import { figure } from "./report.ts"
import type { Report } from "./report.ts"
import { expectEqual, PauseWatch } from "./scenario.ts"
import type { Measured, ScenarioInput, Scenarios } from "./scenario.ts"
import { medianOf } from "./statistics.ts"
import { entriesOf, keyOf, ascending, Latencies, recordOf, runCallers, SEED, uniform } from "./workload.ts"
import type { UserRecord } from "./workload.ts"

const LIMIT = 20
/** How long a peer is measured, and how many changes at least. */
const PEER_MS = 2_000
const PEER_COUNT_MIN = 20
const TURN_COUNT = 6

/** Keys of the index that queries are over, each of as many rows. */
const INDEX_KEY_COUNT = 10_000
const ROUTED_COUNTS = [1, 100, 10_000] as const
const ROUTED_BY = ["keys", "ranges"] as const

export const scenarios: Scenarios = { follow, added, many, routed }

/** Ranks that change, all as likely to be anywhere. */
function changesOf(count: number, rows: number, round: number): UserRecord[] {
  const targets = uniform(count, rows, SEED + round)
  const scores = uniform(count, 1_000_000_000, SEED + 31 * (round + 1))
  return Array.from(targets, (n, index) => ({ ...recordOf(n), score: scores[index] as number }))
}

/** The keys that must be first in the end. */
function firstOf(rows: number, changes: readonly UserRecord[]): string {
  const scores = new Map(Array.from({ length: rows }, (_, n) => [keyOf(n), recordOf(n).score]))
  for (const change of changes) scores.set(keyOf(change.id), change.score)
  const ranked = [...scores].sort(([leftKey, left], [rightKey, right]) => right - left || (leftKey < rightKey ? -1 : 1))
  return ranked
    .slice(0, LIMIT)
    .map(([key]) => key)
    .join()
}

/** A peer, by `mode`. */
async function follow({ count, mode, round }: ScenarioInput): Promise<Measured> {
  const records = Array.from({ length: count }, (_, n) => recordOf(n))
  const startMs = performance.now()
  const peer = await loadLivePeer(mode, records, LIMIT)
  const readyMs = performance.now() - startMs
  const changes = changesOf(50_000, count, round)
  let done = 0
  const warmCount = 10
  for (; done < warmCount; done++) await peer.change(changes[done] as UserRecord)
  const begunMs = performance.now()
  while (done < changes.length && (done < PEER_COUNT_MIN + warmCount || performance.now() - begunMs < PEER_MS)) {
    await peer.change(changes[done++] as UserRecord)
  }
  const elapsedMs = performance.now() - begunMs
  expectEqual(`the first of ${mode}`, peer.result().join(), firstOf(count, changes.slice(0, done)))
  return { numbers: { changeUs: (elapsedMs * 1e3) / (done - warmCount), readyMs }, texts: { note: peer.note } }
}

async function filled(directory: string, count: number): Promise<OrreryStore> {
  const orrery = await openOrrery(directory, { checkpoint: false })
  const all = ascending(count, 0)
  for (let at = 0; at < count; at += 1000) await orrery.putMany(entriesOf(all, at, Math.min(count, at + 1000)))
  return orrery
}

/** The engine: puts of one row each, 1,000 in flight, in turns with the query and without. */
async function added({ directory, count, round }: ScenarioInput): Promise<Measured> {
  const orrery = await filled(directory, count)
  const putCount = Math.max(20_000, Math.floor(count / 2))
  const withQuery: number[] = []
  const without: number[] = []
  const all: UserRecord[] = []
  let readyMs = 0
  let seen = 0
  for (let turn = 0; turn < TURN_COUNT * 2; turn++) {
    const changes = changesOf(putCount, count, round * 100 + turn)
    let query: LiveQuery<UserRecord> | undefined
    if (turn % 2 === 0) {
      const startMs = performance.now()
      query = ranked(orrery)
      await query.ready
      readyMs = performance.now() - startMs
      query
        .deltas()
        .observable()
        .subscribe(({ deltas }) => (seen += deltas.length))
    }
    const watch = new PauseWatch()
    await runCallers(1000, putCount, (index) => putOf(orrery, changes[index] as UserRecord), new Latencies())
    await new Promise((resolve) => setImmediate(resolve))
    const cpuMs = (await watch.stop())["threadCpuMs"] ?? Number.NaN
    // The first turns warm up.
    if (turn >= 2) (query === undefined ? without : withQuery).push((cpuMs * 1e3) / putCount)
    all.push(...changes)
    if (query !== undefined) {
      expectEqual("the first", query.result.map(({ key }) => key).join(), firstOf(count, all))
      query.close()
    }
  }
  if (seen === 0) throw new Error("no delta came")
  await orrery.close()
  const putUs = medianOf(without)
  return { numbers: { changeUs: medianOf(withQuery) - putUs, putUs, readyMs } }
}

/** The engine: 1,000 queries on one table, each of a thousandth of it, by `where` or by prefix. */
async function many({ directory, count, mode, round }: ScenarioInput): Promise<Measured> {
  const orrery = await filled(directory, count)
  const queryCount = 1_000
  const startMs = performance.now()
  const queries = Array.from({ length: queryCount }, (_, index) =>
    mode === "prefix"
      ? orrery.users.live({ prefix: `user:${index}`, limit: LIMIT, orderBy: ({ score }) => -score })
      : orrery.users.live({
          where: ({ id }) => id % queryCount === index,
          orderBy: ({ score }) => -score,
          limit: LIMIT,
        }),
  )
  await Promise.all(queries.map(({ ready }) => ready))
  const readyMs = performance.now() - startMs
  const putCount = 5_000
  const changes = changesOf(putCount, count, round)
  const watch = new PauseWatch()
  await runCallers(1000, putCount, (index) => putOf(orrery, changes[index] as UserRecord), new Latencies())
  const cpuMs = (await watch.stop())["threadCpuMs"] ?? Number.NaN
  await orrery.close()
  return { numbers: { changeUs: (cpuMs * 1e3) / putCount, readyMs } }
}

/**
 * The engine: as many queries as `mode` says, each over a key of an index, or over a range that holds one; puts before they are
 * there, and with them. Every change is of a row of one of the queries; every other one moves it to another query.
 */
async function routed({ directory, count, mode, round }: ScenarioInput): Promise<Measured> {
  const orrery = await filled(directory, count)
  const [by, number] = mode.split(" ")
  const queryCount = Number(number)
  const users = orrery.store.table("users", {
    indexes: { group: (user: UserRecord): number => user.id % INDEX_KEY_COUNT },
  })
  await users.indexReady()
  const putCount = 20_000
  const measure = async (salt: number): Promise<number> => {
    const groups = uniform(putCount, queryCount, SEED + salt)
    const rows = uniform(putCount, Math.floor(count / INDEX_KEY_COUNT), SEED + 31 * salt)
    const watch = new PauseWatch()
    await runCallers(
      1000,
      putCount,
      (index) => {
        const group = groups[index] as number
        const n = group + (rows[index] as number) * INDEX_KEY_COUNT
        const id = index % 2 === 0 ? n : (groups[(index * 7) % putCount] as number)
        return orrery.put(keyOf(n), { ...recordOf(n), id, score: index })
      },
      new Latencies(),
    )
    await new Promise((resolve) => setImmediate(resolve))
    return (((await watch.stop())["threadCpuMs"] ?? Number.NaN) * 1e3) / putCount
  }
  const turns = async (): Promise<number> => {
    const found: number[] = []
    for (let turn = 0; turn < TURN_COUNT; turn++) found.push(await measure(100 * round + turn))
    // The first one warms up.
    return medianOf(found.slice(1))
  }
  const putUs = await turns()
  const startMs = performance.now()
  const queries = Array.from({ length: queryCount }, (_, group) =>
    users.live({
      index: "group",
      ...(by === "keys" ? { equals: group } : { range: { from: group, to: group + 1 } }),
      orderBy: ({ score }) => -score,
      limit: LIMIT,
    }),
  )
  await Promise.all(queries.map(({ ready }) => ready))
  const readyMs = performance.now() - startMs
  const changeUs = (await turns()) - putUs
  for (const [group, { result }] of queries.entries()) {
    expectEqual(`rows of query ${group}`, result.length, Math.min(LIMIT, users.index("group").count(group)))
  }
  await orrery.close()
  return { numbers: { changeUs, putUs, readyMs } }
}

function ranked({ users }: OrreryStore): LiveQuery<UserRecord> {
  return users.live({ orderBy: [{ by: ({ score }) => score, direction: "descending" }], limit: LIMIT })
}

function putOf(orrery: OrreryStore, record: UserRecord): Promise<unknown> {
  return orrery.put(keyOf(record.id), record)
}

function routedName(by: string, queries: number): string {
  return `orrery, added to a put by ${queries.toLocaleString("en")} queries over ${by} of an index`
}

function lineOf(series: Series): string[] {
  if (!series.isMeasured) return [series.name, series.status]
  return [series.name, `${series.median("changeUs").toFixed(1)} µs`, `${series.median("readyMs").toFixed(0)} ms`]
}

async function run(context: Context): Promise<Report> {
  const count = context.isQuick ? 20_000 : 100_000
  const rounds = context.rounds(context.isQuick ? 1 : 3)
  const variants: Variant[] = [
    { name: "orrery, added to a put", scenario: "added", input: { count } },
    ...["rxdb", "tinybase", "tanstack"].map((mode): Variant => ({
      name: mode,
      scenario: "follow",
      input: { count, mode },
    })),
    { name: "orrery, a put with 1,000 queries by where", scenario: "many", input: { count, mode: "where" } },
    { name: "orrery, a put with 1,000 queries by prefix", scenario: "many", input: { count, mode: "prefix" } },
    ...ROUTED_BY.flatMap((by) =>
      ROUTED_COUNTS.map((queries): Variant => ({
        name: routedName(by, queries),
        scenario: "routed",
        input: { count, mode: `${by} ${queries}` },
      })),
    ),
  ]
  const all = await interleave(
    context,
    "live",
    variants,
    rounds,
    ({ numbers }) => `${(numbers["changeUs"] ?? 0).toFixed(1)} µs`,
  )
  const [own, ...others] = all
  const peers = others.slice(0, 3).filter((series) => series.isMeasured)
  const best = Math.min(...peers.map((series) => series.median("changeUs")))
  const routedUs = (by: string, queries: number): number[] =>
    all.find(({ name }) => name === routedName(by, queries))?.values("changeUs") ?? []
  const moreOften = (by: string): number[] => {
    const few = routedUs(by, 100)
    return routedUs(by, 10_000).map((us, index) => us / (few[index] ?? Number.NaN))
  }
  const ownUs = own?.values("changeUs") ?? []
  return {
    title: "Live queries",
    setting: `The first ${LIMIT} of ${count.toLocaleString("en")} rows by a number, ${rounds} rounds; changes of random rows, one a commit.`,
    tables: [{ header: ["who", "a change", "until the first result"], rows: all.map(lineOf) }],
    figures: [
      figure("a change that a live query follows", { atMost: 5, unit: " µs" }, ownUs, 1),
      ...ROUTED_BY.map((by) =>
        figure(`a change with 10,000 queries over ${by} of an index, against 100`, { atMost: 4 }, moreOften(by)),
      ),
      figure("against the best peer", { atLeast: 10 }, peers.length === 0 ? [] : ownUs.map((us) => best / us)),
    ],
    notes: notesOf(all),
  }
}

export const row: Row = {
  name: "live",
  title: "What a live query costs, against RxDB, TinyBase, TanStack DB",
  estimateSeconds: (isQuick) => (isQuick ? 20 : 120),
  hasQuickSize: true,
  run,
}
