// Group commit over a log in memory that answers when the test says so.

import { expect } from "vitest"
import { FRAME_HEADER_SIZE } from "../../src/format/frame.ts"
import type { Durability } from "../../src/model/durability.ts"
import { lsnOf } from "../../src/model/lsn.ts"
import type { Lsn } from "../../src/model/lsn.ts"
import { SimulatedClock } from "../../src/simulation/simulated-clock.ts"
import { GroupCommit } from "../../src/wal/group-commit.ts"
import type { FlushTriggers } from "../../src/wal/flush-pace.ts"
import type { GroupCommitListener } from "../../src/wal/group-commit.ts"
import type { FrameDraft, Log } from "../../src/wal/log.ts"

/** A log in memory whose appends and syncs end when they are told to. */
export class HeldLog implements Log {
  readonly epoch = 1
  endLsn: Lsn = lsnOf(10)
  durableLsn: Lsn = lsnOf(10)
  readonly oldestLsn: Lsn = lsnOf(1)
  readonly drafts: { commitCount: number; sync: boolean; size: number; timeMs: number }[] = []
  syncCount = 0
  inFlightCountMax = 0
  #held: PromiseWithResolvers<void>[] = []

  get inFlightCount(): number {
    return this.#held.length
  }

  async append(draft: FrameDraft, expected: Lsn): Promise<void> {
    expect(expected).toBe(this.endLsn)
    expect(draft.start).toBe(FRAME_HEADER_SIZE)
    const { commitCount, sync, timeMs } = draft
    this.drafts.push({ commitCount, sync, size: draft.end - draft.start, timeMs })
    await this.#hold()
    this.endLsn = lsnOf(this.endLsn + commitCount)
    if (sync) this.durableLsn = this.endLsn
  }

  async sync(): Promise<void> {
    this.syncCount++
    await this.#hold()
    this.durableLsn = this.endLsn
  }

  // No test reads.
  async *read(): AsyncGenerator<never> {}

  async truncate(): Promise<number> {
    return 0
  }

  async close(): Promise<void> {}

  /** Lets the one operation in flight end. */
  async end(error?: unknown): Promise<void> {
    const [held] = this.#held.splice(0)
    if (error === undefined) held?.resolve()
    else held?.reject(error)
    await turn()
  }

  #hold(): Promise<void> {
    const held = Promise.withResolvers<void>()
    this.#held.push(held)
    this.inFlightCountMax = Math.max(this.inFlightCountMax, this.#held.length)
    return held.promise
  }
}

/** Lets everything that is ready run. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

export interface Scene {
  readonly log: HeldLog
  readonly clock: SimulatedClock
  readonly commit: GroupCommit
  /** What happened, in order. */
  readonly told: string[]
  readonly write: (durability?: Durability, size?: number) => Promise<{ lsn: number }>
}

export function scene(
  triggers: Partial<FlushTriggers> = {},
  backlogBytes = 1_000_000,
  listener: Partial<GroupCommitListener> = {},
): Scene {
  const log = new HeldLog()
  const clock = new SimulatedClock()
  const told: string[] = []
  const commit: GroupCommit = new GroupCommit(
    log,
    clock,
    { records: 1_000, bytes: 100_000, delayMs: 0, syncDelayMs: 100, ...triggers },
    backlogBytes,
    {
      beforeSwitch: () => told.push("switch"),
      onDurable: ({ firstLsn, lastLsn }) => told.push(`durable ${firstLsn}-${lastLsn}`),
      onAdvance: (lsn) => told.push(`advance ${lsn}`),
      onRoom: () => told.push("room"),
      onFailure: () => told.push("failure"),
      ...listener,
    },
  )
  const write: Scene["write"] = (durability = "synced", size = 64) => {
    const receipt = commit.commit(commit.batch.position + size, 1, durability)
    // Some tests look at what became of it only later.
    receipt.catch(() => undefined)
    return receipt
  }
  return { log, clock, commit, told, write }
}

/** "resolved", or what it is rejected with. */
export async function outcomeOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => "resolved",
    (error: unknown) => error,
  )
}

/** "waiting" while it is not settled. */
export async function stateOf(promise: Promise<unknown>): Promise<unknown> {
  // No race: it would be lost by a promise that is settled already, whose outcome takes a step more.
  let state: unknown = "waiting"
  void outcomeOf(promise).then((outcome) => {
    state = outcome
  })
  await turn()
  return state
}
