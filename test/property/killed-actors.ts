// What is checked when an actor is killed at any turn of a run, whichever run it is.

import { beforeAll, expect, test } from "vitest"
import { verifyStore } from "../../src/recovery/verify.ts"
import type { KeepOptions } from "../../src/store/options.ts"
import { measureFigures } from "../figures.ts"
import { KilledRun, play } from "./killed-run.ts"
import type { Boundary } from "./killed-run.ts"
import { recoverDisk } from "./recovered-state.ts"
import { contentOf, differences, modelAt, untilSettled } from "./store-history.ts"

/** Every actor of a store with two shards, and what the tree starts anew with it: those behind it, from the log on. */
const SERVICES = ["store/services", "store/services/expiry", "store/services/metadata"]
const BEHIND = [
  "store/checkpointer",
  "store/change-publisher",
  "store/consumers",
  ...SERVICES,
  "store/merkle",
  "store/monitor",
]
const SHARDS = ["store/shards/shard-0", "store/shards/shard-1"]
const LOG = ["store/log", "store/log/recoverer", "store/log/wal-writer", "store/shards", ...SHARDS, ...BEHIND]
const RESTARTED_WITH: Readonly<Record<string, readonly string[]>> = {
  "store/log/recoverer": LOG,
  "store/log/wal-writer": LOG,
  "store/shards/shard-0": ["store/shards/shard-0"],
  "store/shards/shard-1": ["store/shards/shard-1"],
  "store/checkpointer": BEHIND,
  "store/change-publisher": BEHIND.slice(1),
  "store/consumers": BEHIND.slice(2),
  "store/services/expiry": ["store/services/expiry"],
  "store/services/metadata": ["store/services/metadata"],
  "store/merkle": BEHIND.slice(6),
  "store/monitor": BEHIND.slice(7),
}
const ACTORS = Object.keys(RESTARTED_WITH)
/** Those whose death no write waits for: killed at one turn in so many, the others at each. */
const ASIDE = new Set(["store/consumers", ...SERVICES, "store/merkle"])
const ASIDE_SHARE = 4

/** One run in so many has every byte of its files verified. */
const VERIFIED_SHARE = 8
const LIMIT_MS = 600_000

export interface Scenario {
  readonly name: string
  readonly keep: KeepOptions
  /** Killed before the actor in question. */
  readonly killedBefore?: string
  readonly closes?: boolean
  /** Turns that it has, at least: a run that became short proves little. */
  readonly turnCountMin: number
  run(run: KilledRun): Promise<void>
}

/** The tests of one scenario: each actor is killed at each turn of it. */
export function describeKills(scenario: Scenario): void {
  let boundaries: readonly Boundary[] = []
  const kills = new Map<string, number>()
  let tell: (counts: Readonly<Record<string, number>>) => void = () => undefined

  beforeAll(async () => {
    tell = measureFigures(`actors killed ${scenario.name}`, 1)
    const run = await KilledRun.open(scenario.keep)
    boundaries = await play(run, scenario.run(run), "looking")
    await expectWhole(run, scenario, undefined, true)
  })

  const boundariesOf = (actor: string): readonly Boundary[] =>
    ASIDE.has(actor) ? boundaries.filter((_, index) => index % ASIDE_SHARE === 0) : boundaries

  test.each(ACTORS)(
    "%s is killed at every turn",
    async (actor) => {
      for (const [index, at] of boundariesOf(actor).entries()) {
        const run = await KilledRun.open(scenario.keep)
        try {
          let killing: Promise<boolean> | undefined
          const act = (): void => {
            killing = run.store.killActor(actor, new Error("killed by the test"))
          }
          await play(run, scenario.run(run), { at, act })
          if (killing === undefined) throw new Error("the run ended before")
          const isHit = await untilSettled(run.platform, killing)
          if (isHit) kills.set(actor, (kills.get(actor) ?? 0) + 1)
          await expectWhole(run, scenario, isHit ? actor : undefined, index % VERIFIED_SHARE === 0)
        } catch (error) {
          throw new Error(`${actor} killed at ${at.round}.${at.turn}, after ${at.operationCount} calls`, {
            cause: error,
          })
        }
      }
    },
    LIMIT_MS,
  )

  test("the kills met their actors", () => {
    tell({ kills: [...kills.values()].reduce((sum, count) => sum + count, 0), turns: boundaries.length })
    expect(boundaries.length).toBeGreaterThanOrEqual(scenario.turnCountMin)
    const missed = ACTORS.filter((actor) => kills.get(actor) !== boundariesOf(actor).length)
    // Only where something else ends lives has one none at times.
    if (scenario.killedBefore === undefined && scenario.closes !== true) expect(missed).toEqual([])
    for (const actor of ACTORS) expect(kills.get(actor) ?? 0, actor).toBeGreaterThan(0)
  })
}

async function expectWhole(
  run: KilledRun,
  scenario: Scenario,
  actor: string | undefined,
  isVerified: boolean,
): Promise<void> {
  const { platform, store, commits, failures } = run
  const disk = platform.fileSystem
  if (scenario.closes !== true) {
    await untilSettled(platform, store.ready())
    run.put("a", "last", "synced")
    await untilSettled(platform, run.settled())
    await expectUp(run, scenario, actor)
  }
  expect(failures).toEqual([])
  expect(disk.violations).toEqual([])
  // An actor that is killed writes what it holds before it goes; nothing is in doubt.
  const bad = commits.filter(({ n, outcome }) => {
    // An update reads, which a shard that is down refuses; it has left no trace then.
    if (outcome === "rejected") return scenario.closes !== true && !run.reads.has(n)
    return outcome !== "acknowledged"
  })
  expect(bad).toEqual([])

  const last = Math.max(...commits.map(({ lsn }) => lsn ?? 0))
  const expected = modelAt(commits, Infinity)
  if (scenario.closes !== true) {
    expect(differences(contentOf(store), expected)).toEqual([])
    await untilSettled(platform, store.close())
  }
  if (isVerified) {
    const { findings } = await untilSettled(platform, verifyStore(platform, "/data"))
    expect(findings.filter(({ isDamage }) => isDamage)).toEqual([])
  }
  const { content, report } = await recoverDisk(disk.crash("nothing"), 1, true)
  expect(report.lastLsn).toBeGreaterThanOrEqual(last)
  expect(differences(content, expected)).toEqual([])
}

/** Everything runs, nothing was restarted that need not have been, and subscribers have got what there is. */
async function expectUp(run: KilledRun, scenario: Scenario, actor: string | undefined): Promise<void> {
  const { platform, store, events } = run
  expect(store.status.state).toBe("open")
  expect(store.actors().filter(({ status }) => status !== "running")).toEqual([])
  const allowed = [actor, scenario.killedBefore].flatMap((path) => (path === undefined ? [] : RESTARTED_WITH[path]))
  // One that dies while its supervisor starts it for the first time is started anew with its siblings.
  if (scenario.killedBefore !== undefined && SHARDS.includes(actor ?? "")) allowed.push("store/shards", ...SHARDS)
  if (scenario.killedBefore !== undefined && SERVICES.includes(actor ?? "")) allowed.push(...SERVICES)
  const restarted = events.flatMap((event) => (event.kind === "restarted" ? [event.actor] : []))
  for (const path of new Set(restarted)) {
    const most = allowed.filter((other) => other === path).length
    expect(restarted.filter((other) => other === path).length, `restarts of ${path}`).toBeLessThanOrEqual(most)
  }
  if (actor !== undefined) expect(restarted, "restarts").toContain(actor)
  if (run.isSubscribed) {
    for (let round = 0; round < 400 && run.isBehind; round++) await untilSettled(platform, run.pass(5))
    expect(run.iterated).toEqual(run.log())
    expect(run.resumed).toEqual(run.log())
    expect(run.observed).toEqual(run.log("a"))
  }
}
