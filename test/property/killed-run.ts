// One run of a store, and the same run again with an actor killed at one place of it. A place is a turn of promises: the
// run is played in rounds of the event loop, and a round has as many turns as promises settle one behind the other. Which
// turns do anything is found by counting, in the run that nobody disturbs, the reactions of promises that Node runs.
//
// The run is deterministic, so the kth turn of one is the kth turn of all, up to the kill; `play` checks that by the
// calls that the disk has had by then.

// Loaded ahead: the first `open` loads it, which takes real time, while simulated time goes on.
import "../../src/actors/engine.ts"
import { promiseHooks } from "node:v8"
import { open } from "../../src/index.ts"
import type { Commit, Durability, Store, StoreEvent } from "../../src/index.ts"
import { OrreryError } from "../../src/model/errors.ts"
import { SimulatedDisk } from "../../src/simulation/simulated-disk.ts"
import { simulatePlatform } from "../../src/simulation/simulated-platform.ts"
import type { SimulatedPlatform } from "../../src/simulation/simulated-platform.ts"
import type { KeepOptions } from "../../src/store/options.ts"
import { untilSettled } from "./store-history.ts"
import type { Entry, HistoryCommit } from "./store-history.ts"

const SEGMENT_BYTES = 4096
/** Rounds in which the disk is not called, before the next timer is due. */
const QUIET_ROUNDS = 3
const ROUNDS_MAX = 5_000
/** Turns without a reaction behind which a round is over: what queueMicrotask runs is none, and brings one. */
const IDLE_TURNS = 4
const TURNS_MAX = 20_000

/** A place in a run. */
export interface Boundary {
  readonly round: number
  readonly turn: number
  /** Calls of the disk that had ended by then. */
  readonly operationCount: number
}

/** What is done at a place. */
export interface Disturbance {
  readonly at: Boundary
  readonly act: () => void
}

/** A store, what its clients and its subscribers know of it, and what it told of itself. */
export class KilledRun {
  readonly platform: SimulatedPlatform
  readonly store: Store
  readonly commits: HistoryCommit[] = []
  readonly events: StoreEvent[] = []
  /** One line a commit, as each subscriber got it. */
  readonly iterated: string[] = []
  readonly resumed: string[] = []
  readonly observed: string[] = []
  /** Why a subscriber, or something that is no write, failed. */
  readonly failures: unknown[] = []
  /** Numbers of the commits that read before they write. */
  readonly reads: Set<number> = new Set()
  readonly #writes: Promise<void>[] = []
  #isMarked = false
  #isSubscribed = false

  private constructor(platform: SimulatedPlatform, store: Store) {
    this.platform = platform
    this.store = store
    store.events().subscribe((event) => void this.events.push(event))
  }

  /** A store with two tables, so that what a run begins with is not all definitions. */
  static async open(keep: KeepOptions): Promise<KilledRun> {
    const platform = simulatePlatform({ seed: 1, disk: new SimulatedDisk({ seed: 1, keepsTrace: false }) })
    // No audit log, and small buffers: there are thousands of runs.
    const backlog = { bytes: 64 * 1024 }
    const options = { shards: 2, segmentBytes: SEGMENT_BYTES, audit: false, backlog, flush: { bytes: 16 * 1024 } }
    const opening = open("/data", { platform, ...options, keep })
    const run = new KilledRun(platform, await untilSettled(platform, opening))
    run.put("a", "first", "synced")
    run.put("b", "first", "synced")
    await untilSettled(platform, run.settled())
    return run
  }

  /** The run is worth disturbing from here on. */
  mark(): void {
    this.#isMarked = true
  }

  get isMarked(): boolean {
    return this.#isMarked
  }

  get isSubscribed(): boolean {
    return this.#isSubscribed
  }

  /** Some subscriber has not got all yet. */
  get isBehind(): boolean {
    const all = this.log().length
    return this.iterated.length < all || this.resumed.length < all || this.observed.length < this.log("a").length
  }

  put(table: string, key: string, durability: Durability, size = 10): void {
    this.#track(durability, [`${table}/${key}`], (n) =>
      this.store.table<Entry>(table).put(key, { n, pad: "x".repeat(size) }, { durability }),
    )
  }

  update(table: string, key: string): void {
    this.reads.add(this.commits.length + 1)
    this.#track("synced", [`${table}/${key}`], (n) =>
      this.store.table<Entry>(table).update(key, (old) => ({ n, pad: `${(old?.pad ?? "").slice(0, 50)}u` })),
    )
  }

  delete(table: string, key: string): void {
    this.#track("synced", [`${table}/${key}`], () => this.store.table(table).delete(key), true)
  }

  /** One commit over tables and shards. */
  batch(targets: readonly string[]): void {
    this.#track("synced", targets, (n) =>
      this.store.batch((batch) => {
        for (const target of targets) {
          const [table = "", key = ""] = target.split("/")
          batch.put(this.store.table<Entry>(table), key, { n, pad: target })
        }
      }),
    )
  }

  /** Nobody's write depends on it: it ends with the life of what makes it. */
  checkpoint(): void {
    this.#writes.push(
      this.store.checkpoint().then(
        () => undefined,
        (error: unknown) => this.#unlessTyped(error),
      ),
    )
  }

  /** Subscribes in three ways: to everything; to everything, from a cursor that is taken up anew again and again; to one table. */
  subscribe(): void {
    this.#isSubscribed = true
    void this.#iterate().catch((error: unknown) => this.failures.push(error))
    void this.#iterateInPieces().catch((error: unknown) => this.failures.push(error))
    this.store
      .table("a")
      .changes({ after: 0 })
      .observable()
      .subscribe({
        next: (commit) => this.observed.push(textOf(commit)),
        error: (error: unknown) => this.failures.push(error),
      })
  }

  /** All that was begun has come to an end. */
  async settled(): Promise<void> {
    for (let count = 0; count < this.#writes.length; count = this.#writes.length) await Promise.all(this.#writes)
  }

  /** Simulated time. */
  pass(ms: number): Promise<void> {
    return new Promise((resolve) => this.platform.clock.after(ms, resolve))
  }

  /** What every subscriber has to have got: the commits that were made, in the order of the log. */
  log(table?: string): string[] {
    return this.commits
      .filter((commit) => commit.lsn !== undefined)
      .sort((one, other) => (one.lsn ?? 0) - (other.lsn ?? 0))
      .flatMap(({ lsn, effects }) => {
        const mine = effects.filter(([target]) => table === undefined || target.startsWith(`${table}/`))
        return mine.length === 0 ? [] : [`${lsn} ${mine.map(([target, n]) => `${target}=${n}`).join(" ")}`]
      })
  }

  #track(
    level: Durability,
    targets: readonly string[],
    write: (n: number) => Promise<{ readonly lsn: number }>,
    deletes = false,
  ): void {
    const n = this.commits.length + 1
    const effects = targets.map((target) => [target, deletes ? undefined : n] as const)
    const commit: HistoryCommit = { n, level, effects, lsn: undefined, ackedAt: Infinity, outcome: "pending" }
    this.commits.push(commit)
    this.#writes.push(
      write(n).then(
        ({ lsn }) => {
          commit.lsn = lsn
          commit.outcome = "acknowledged"
        },
        (error: unknown) => {
          commit.outcome =
            error instanceof OrreryError && error.code === "ORRERY_COMMIT_UNKNOWN" ? "unknown" : "rejected"
          this.#unlessTyped(error)
        },
      ),
    )
  }

  async #iterate(): Promise<void> {
    for await (const commit of this.store.changes({ after: 0 })) this.iterated.push(textOf(commit))
  }

  async #iterateInPieces(): Promise<void> {
    for (let after = 0; ;) {
      const stream = this.store.changes({ after })
      let count = 0
      for await (const commit of stream) {
        this.resumed.push(textOf(commit))
        after = commit.lsn
        count++
        if (count === 2) break
      }
      if (count < 2) return
    }
  }

  #unlessTyped(error: unknown): void {
    if (!(error instanceof OrreryError)) this.failures.push(error)
  }
}

/** Plays the work to its end. Returns the places where anything ran, if it is asked to look for them. */
export async function play(
  run: KilledRun,
  work: Promise<unknown>,
  how: "looking" | Disturbance | undefined,
): Promise<Boundary[]> {
  const { fileSystem, clock } = run.platform
  let isOver = false
  const watched = work.finally(() => {
    isOver = true
  })
  watched.catch(() => undefined)
  const found: Boundary[] = []
  let quiet = 0
  let seen = fileSystem.operationCount
  for (let round = 0; !isOver; round++) {
    if (round > ROUNDS_MAX) throw new Error(`the run does not end: ${JSON.stringify(run.commits)}`)
    if (quiet >= QUIET_ROUNDS && clock.advanceToNext()) quiet--
    if (how === "looking") found.push(...(await turnsOf(run, round)))
    else if (how?.at.round === round) await disturb(run, how)
    await new Promise<void>((resolve) => setImmediate(resolve))
    quiet = fileSystem.operationCount === seen ? quiet + 1 : 0
    seen = fileSystem.operationCount
  }
  await watched
  return found
}

/** Goes through a round turn by turn, until nothing runs any more. */
async function turnsOf(run: KilledRun, round: number): Promise<Boundary[]> {
  const found: Boundary[] = []
  let reactions = 0
  let idle: Boundary[] = []
  let idleCount = 0
  const stop = promiseHooks.onBefore(() => void reactions++)
  try {
    for (let turn = 0; turn < TURNS_MAX; turn++) {
      const { operationCount } = run.platform.fileSystem
      reactions = 0
      await Promise.resolve()
      if (run.isMarked) idle.push({ round, turn, operationCount })
      // One is this loop's own.
      if (reactions > 1) {
        found.push(...idle)
        idle = []
        idleCount = 0
      } else if (++idleCount === IDLE_TURNS) return found
    }
  } finally {
    stop()
  }
  throw new Error(`round ${round} does not end`)
}

async function disturb(run: KilledRun, { at, act }: Disturbance): Promise<void> {
  for (let turn = 0; turn < at.turn; turn++) await Promise.resolve()
  const { operationCount } = run.platform.fileSystem
  if (operationCount !== at.operationCount)
    throw new Error(`another run: ${operationCount} calls, not ${at.operationCount}, at ${at.round}.${at.turn}`)
  act()
}

function textOf({ lsn, changes }: Commit): string {
  return `${lsn} ${changes.map(({ table, key, value }) => `${table}/${key}=${(value as Entry | undefined)?.n}`).join(" ")}`
}
