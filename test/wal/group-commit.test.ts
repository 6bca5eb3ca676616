// Group commit over a log that answers when the test says so: what goes out when, who is told what, and in which order.

import { describe, expect, test } from "vitest"
import { FRAME_HEADER_SIZE } from "../../src/format/frame.ts"
import { CommitUnknown, LogUnavailable, StorageFailed, WriteRejected } from "../../src/model/errors.ts"
import { FRAME_PAYLOAD_SIZE_MAX } from "../../src/model/limits.ts"
import { SimulatedClock } from "../../src/simulation/simulated-clock.ts"
import { Admission } from "../../src/wal/admission.ts"
import { GroupCommit } from "../../src/wal/group-commit.ts"
import { HeldLog, outcomeOf, scene, stateOf, turn } from "./commit-scene.ts"

describe("what goes out when", () => {
  test("all writes of a turn go out as one frame, and resolve to their own LSNs", async () => {
    const { log, write, commit } = scene()
    const receipts = [write(), write(), write()]
    expect(log.drafts).toEqual([])
    await turn()
    expect(log.drafts).toMatchObject([{ commitCount: 3, sync: true, size: 192 }])
    await log.end()
    expect((await Promise.all(receipts)).map(({ lsn }) => lsn)).toEqual([11, 12, 13])
    expect(commit.counters).toMatchObject({ flushes: 1, syncs: 1, commits: 3, bytes: 192, batchCommitsMax: 3 })
  })

  test("one append is in flight, and what comes meanwhile goes out together as soon as it has ended", async () => {
    const { log, write } = scene()
    const receipts = [write()]
    await turn()
    for (let n = 0; n < 20; n++) {
      receipts.push(write())
      await turn()
    }
    expect(log.drafts).toHaveLength(1)
    await log.end()
    expect(log.drafts.map(({ commitCount }) => commitCount)).toEqual([1, 20])
    await log.end()
    expect((await Promise.all(receipts)).map(({ lsn }) => lsn)).toEqual(Array.from({ length: 21 }, (_, n) => 11 + n))
    expect(log.inFlightCountMax).toBe(1)
  })

  test("the next frame is on its way before the writers of the last one are told", async () => {
    const { log, write } = scene()
    const first = write()
    await turn()
    void write()
    let draftsWhenTold = 0
    void first.then(() => (draftsWhenTold = log.drafts.length))
    await log.end()
    expect(draftsWhenTold).toBe(2)
  })

  test("enough records go at once, within the turn", async () => {
    const { log, write } = scene({ records: 3 })
    void write()
    void write()
    expect(log.drafts).toEqual([])
    void write()
    expect(log.drafts).toMatchObject([{ commitCount: 3 }])
    await log.end()
    await turn()
    expect(log.drafts).toHaveLength(1)
  })

  test("enough bytes go at once, within the turn", async () => {
    const { log, write } = scene({ bytes: 200 })
    void write("synced", 192)
    expect(log.drafts).toEqual([])
    void write("synced", 8)
    expect(log.drafts).toMatchObject([{ commitCount: 2, size: 200 }])
  })

  test("half a turn's writes go early once they have been coming in for as long as the last flush took", async () => {
    const { log, clock, write } = scene({ bytes: 10_000_000 }, 100_000_000)
    const flush = async (tookMs: number): Promise<void> => {
      void write()
      await turn()
      clock.advance(tookMs)
      await log.end()
    }
    /** Writes of 1 KiB, one a simulated millisecond, within one turn. */
    const putFor = (count: number): void => {
      for (let n = 0; n < count; n++) {
        void write("synced", 1024)
        clock.advance(1)
      }
    }
    await flush(100)
    putFor(90)
    // Large enough, but the disk would not have ended before they do: the turn's end takes all of them.
    expect(log.drafts).toHaveLength(1)
    await turn()
    expect(log.drafts[1]).toMatchObject({ commitCount: 90 })
    await log.end()
    await flush(10)
    putFor(40)
    expect(log.drafts).toHaveLength(3)
    putFor(20)
    expect(log.drafts).toHaveLength(4)
    expect(log.drafts[3]?.size).toBeGreaterThanOrEqual(48 * 1024)
    expect(log.drafts[3]?.commitCount).toBeLessThan(60)
    // One is in flight: what comes meanwhile waits for its end, however much it is.
    putFor(200)
    expect(log.drafts).toHaveLength(4)
    await log.end()
    expect(log.drafts).toHaveLength(5)
    expect(log.inFlightCountMax).toBe(1)
  })

  test("a delay is kept, and writes that nobody waits for do not go early", async () => {
    const delayed = scene({ bytes: 10_000_000, delayMs: 500 }, 100_000_000)
    const relaxed = scene({ bytes: 10_000_000 }, 100_000_000)
    for (let n = 0; n < 100; n++) {
      void delayed.write("synced", 1024)
      void relaxed.write("memory", 1024)
    }
    await turn()
    expect([delayed.log.drafts.length, relaxed.log.drafts.length]).toEqual([0, 0])
  })

  test("so do writes that wait for no sync; those that nobody waits for leave it to the end of the flush", async () => {
    const written = scene({ bytes: 10_000_000 }, 100_000_000)
    for (let n = 0; n < 60; n++) void written.write("written", 1024)
    expect(written.log.drafts).toMatchObject([{ sync: false }])
    expect(written.log.drafts[0]?.size).toBeGreaterThanOrEqual(48 * 1024)
    const busy = scene({ bytes: 10_000_000 }, 100_000_000)
    void busy.write()
    await turn()
    for (let n = 0; n < 60; n++) void busy.write("memory", 1024)
    expect(busy.log.drafts).toHaveLength(1)
    expect(busy.commit.backlogBytes).toBe(64 + 60 * 1024)
    await busy.log.end()
    expect(busy.log.drafts).toHaveLength(1)
    expect(busy.commit.backlogBytes).toBe(60 * 1024)
  })

  test("a delay keeps the frame until it has passed, and enough records end it early", async () => {
    const { log, clock, write } = scene({ delayMs: 10, records: 3 })
    void write()
    await turn()
    clock.advance(9)
    void write()
    await turn()
    expect(log.drafts).toEqual([])
    clock.advance(1)
    expect(log.drafts).toMatchObject([{ commitCount: 2 }])
    // Behind a flush the delay begins again.
    void write()
    await log.end()
    expect(log.drafts).toHaveLength(1)
    clock.advance(10)
    expect(log.drafts).toHaveLength(2)
    await log.end()
    for (let n = 0; n < 3; n++) void write()
    expect(log.drafts).toHaveLength(3)
    await log.end()
    clock.advance(1_000)
    await turn()
    expect(log.drafts).toHaveLength(3)
  })

  test("the frame carries the wall clock of its closing", async () => {
    const { log, clock, write } = scene()
    void write()
    clock.advance(5)
    await turn()
    expect(log.drafts[0]?.timeMs).toBe(clock.wallMs())
  })

  test("the batch's buffer changes hands only behind beforeSwitch", async () => {
    const { commit, told, write } = scene()
    const before = commit.batch
    void write()
    expect(commit.batch).toBe(before)
    await turn()
    expect(commit.batch).not.toBe(before)
    expect(told).toEqual(["switch", "room"])
  })
})

describe("room", () => {
  test("for a commit that does not fit comes by memory, up to the largest frame", () => {
    const { commit, told } = scene()
    let count = 0
    while (commit.makeRoom()) count++
    expect(commit.batch.buffer.bytes).toHaveLength(FRAME_HEADER_SIZE + FRAME_PAYLOAD_SIZE_MAX)
    expect(told).toEqual(Array.from({ length: count }, () => "switch"))
    expect(commit.makeRoom()).toBe(false)
    expect(told).toHaveLength(count)
  })
})

describe("durability", () => {
  test("a written commit resolves without a sync, which follows within the delay", async () => {
    const { log, clock, write, told, commit } = scene()
    const receipt = write("written")
    await turn()
    expect(log.drafts).toMatchObject([{ sync: false }])
    await log.end()
    expect(await receipt).toEqual({ lsn: 11 })
    expect(told).not.toContain("durable 11-11")
    clock.advance(99)
    expect(log.syncCount).toBe(0)
    clock.advance(1)
    expect(log.syncCount).toBe(1)
    await log.end()
    expect(told.at(-1)).toBe("advance 11")
    expect(commit.counters).toMatchObject({ flushes: 1, syncs: 1 })
    clock.advance(10_000)
    expect(log.syncCount).toBe(1)
  })

  test("a memory commit resolves at once, and goes out synced within the delay", async () => {
    const { log, clock, write, told } = scene()
    expect(await write("memory")).toEqual({ lsn: 11 })
    await turn()
    expect(log.drafts).toEqual([])
    clock.advance(100)
    expect(log.drafts).toMatchObject([{ commitCount: 1, sync: true }])
    await log.end()
    expect(told.at(-1)).toBe("durable 11-11")
  })

  test("memory commits go with the next that somebody waits for", async () => {
    const { log, write } = scene()
    void write("memory")
    void write("memory")
    await turn()
    void write("synced")
    await turn()
    expect(log.drafts).toMatchObject([{ commitCount: 3, sync: true }])
  })

  test("one synced commit makes the whole frame synced", async () => {
    const { log, write } = scene()
    void write("written")
    void write("synced")
    void write("memory")
    await turn()
    expect(log.drafts).toMatchObject([{ commitCount: 3, sync: true }])
  })

  test("memory commits behind a flush in flight are not forgotten", async () => {
    const { log, clock, write } = scene()
    void write("written")
    await turn()
    void write("memory")
    await log.end()
    clock.advance(100)
    expect(log.drafts).toMatchObject([{ commitCount: 1 }, { commitCount: 1, sync: true }])
  })

  test("the sync of written commits waits for a flush that is under way when its time has come", async () => {
    const { log, clock, write } = scene()
    void write("written")
    await turn()
    await log.end()
    clock.advance(50)
    void write("written")
    await turn()
    clock.advance(50)
    expect(log).toMatchObject({ inFlightCount: 1, syncCount: 0 })
    await log.end()
    expect(log.syncCount).toBe(0)
    clock.advance(100)
    expect(log).toMatchObject({ inFlightCount: 1, syncCount: 1, inFlightCountMax: 1 })
  })

  test("memory commits beside a sync in flight are not forgotten", async () => {
    const { log, clock, write } = scene()
    void write("written")
    await turn()
    await log.end()
    clock.advance(100)
    expect(log.syncCount).toBe(1)
    void write("memory")
    await log.end()
    clock.advance(100)
    expect(log.drafts).toMatchObject([{ commitCount: 1 }, { commitCount: 1, sync: true }])
  })
})

describe("flush", () => {
  test("resolves at once where all is durable", async () => {
    const { log, commit } = scene()
    await commit.flush()
    expect(log.syncCount).toBe(0)
  })

  test.each(["written", "memory"] as const)("makes %s commits durable without waiting for a delay", async (level) => {
    const { log, commit, write } = scene({ delayMs: 1_000 })
    void write(level)
    const flushed = commit.flush()
    await turn()
    expect(log.drafts).toMatchObject([{ sync: true }])
    expect(await stateOf(flushed)).toBe("waiting")
    await log.end()
    await flushed
    expect(log.durableLsn).toBe(11)
  })

  test("syncs what was written before it, and what is in flight", async () => {
    const { log, commit, write } = scene()
    void write("written")
    await turn()
    const flushed = commit.flush()
    await log.end()
    expect(log.syncCount).toBe(1)
    expect(await stateOf(flushed)).toBe("waiting")
    await log.end()
    await flushed
  })

  test("waits for what was committed before it, not for what comes later", async () => {
    const { log, commit, write } = scene()
    void write()
    await turn()
    const flushed = commit.flush()
    void write()
    await log.end()
    await flushed
    expect(log.inFlightCount).toBe(1)
  })

  test("of several, each is told as soon as its own commits are durable", async () => {
    const { log, commit, write } = scene()
    void write()
    await turn()
    const first = commit.flush()
    void write()
    const second = commit.flush()
    await log.end()
    await first
    expect(await stateOf(second)).toBe("waiting")
    await log.end()
    await second
  })

  test("whenIdle waits for what is in flight alone", async () => {
    const { log, commit, write } = scene()
    await commit.whenIdle()
    void write()
    await turn()
    const idle = commit.whenIdle()
    expect(await stateOf(idle)).toBe("waiting")
    await log.end()
    await idle
  })
})

describe("a log that fails", () => {
  test("makes the frame in flight unknown, rejects what was not handed over, and tells the owner once", async () => {
    const { log, commit, write, told } = scene()
    const inFlight = [write(), write("written")]
    await turn()
    const filling = [write(), write()]
    const flushed = outcomeOf(commit.flush())
    await log.end(new LogUnavailable("a write or sync failed"))
    for (const receipt of inFlight) {
      const outcome = await outcomeOf(receipt)
      expect(outcome).toBeInstanceOf(CommitUnknown)
      expect(outcome).toMatchObject({ lsn: 11 })
    }
    for (const receipt of filling) expect(await outcomeOf(receipt)).toBeInstanceOf(WriteRejected)
    expect(await flushed).toBeInstanceOf(CommitUnknown)
    expect(told.filter((what) => what === "failure")).toHaveLength(1)
    expect(commit.hasFailed).toBe(true)
    await expect(commit.flush()).rejects.toThrow(LogUnavailable)
    await commit.whenIdle()
  })

  test("before anything was written rejects the frame: it left no trace", async () => {
    const { log, write, told } = scene()
    const receipt = write()
    await turn()
    await log.end(new StorageFailed("prepare", "wal-0000000002", "ENOSPC"))
    const outcome = await outcomeOf(receipt)
    expect(outcome).toBeInstanceOf(WriteRejected)
    expect((outcome as WriteRejected).remedy).toContain("Make room")
    expect(told).toContain("failure")
  })

  test("in a sync makes those who wait for it unknown, and rejects what fills", async () => {
    const { log, clock, commit, write, told } = scene()
    const written = write("written")
    await turn()
    await log.end()
    await written
    clock.advance(100)
    const flushed = outcomeOf(commit.flush())
    const filling = outcomeOf(write())
    await log.end(new LogUnavailable("a write or sync failed"))
    expect(await flushed).toBeInstanceOf(CommitUnknown)
    expect(await filling).toBeInstanceOf(WriteRejected)
    expect(told.at(-1)).toBe("failure")
  })

  test("has no timers left that could touch it", async () => {
    const { log, clock, write } = scene({ delayMs: 10 })
    void write("written").catch(() => undefined)
    clock.advance(10)
    void write("written").catch(() => undefined)
    await log.end(new LogUnavailable("a write or sync failed"))
    const drafts = log.drafts.length
    clock.advance(10_000)
    await turn()
    expect(log.drafts).toHaveLength(drafts)
    expect(log.syncCount).toBe(0)
  })

  test.each(["synced", "memory"] as const)(
    "whose owner lets go of it gets nothing of what fills: %s",
    async (level) => {
      const { log, clock, commit, write, told } = scene({ delayMs: 10 })
      const receipt = write(level)
      const flushed = outcomeOf(commit.flush())
      commit.abandon(new Error("killed"))
      expect(await outcomeOf(receipt)).toEqual(level === "synced" ? expect.any(WriteRejected) : "resolved")
      expect(await flushed).toBeInstanceOf(CommitUnknown)
      clock.advance(10_000)
      await turn()
      expect(log).toMatchObject({ drafts: [], syncCount: 0 })
      expect(told).toEqual([])
    },
  )

  test("whose owner has let go of it gets nothing of what comes afterwards", async () => {
    const { log, clock, commit, write } = scene()
    commit.abandon(new Error("killed"))
    void write("memory")
    clock.advance(10_000)
    void write("synced")
    await turn()
    expect(log).toMatchObject({ drafts: [], syncCount: 0 })
  })

  test("whose owner lets go of it while it syncs tells nobody, and is idle when that has ended", async () => {
    const { log, clock, commit, write, told } = scene()
    void write("written")
    await turn()
    await log.end()
    clock.advance(100)
    expect(log.syncCount).toBe(1)
    commit.abandon(new Error("killed"))
    const idle = commit.whenIdle()
    expect(await stateOf(idle)).toBe("waiting")
    await log.end()
    await idle
    expect(told).not.toContain("advance 11")
  })

  test("is what a defect of its listener makes of it: those who wait are told, and nothing goes out any more", async () => {
    const failures: unknown[] = []
    const defect = new Error("a defect")
    const { log, commit, write } = scene({}, 1_000_000, {
      onDurable: () => {
        throw defect
      },
      onFailure: (reason) => failures.push(reason),
    })
    const durable = write()
    await turn()
    const filling = outcomeOf(write("memory"))
    const flushed = outcomeOf(commit.flush())
    await log.end()
    // It is on the disk, whatever the listener makes of that.
    expect(await durable).toEqual({ lsn: 11 })
    expect(await filling).toBe("resolved")
    expect(await flushed).toBeInstanceOf(CommitUnknown)
    expect(failures).toEqual([defect])
    expect(commit.hasFailed).toBe(true)
  })

  test("an owner that lets go of it still tells the frame in flight what became of it", async () => {
    const { log, commit, write, told } = scene()
    const inFlight = write()
    await turn()
    const filling = outcomeOf(write())
    commit.abandon(new Error("killed"))
    commit.abandon(new Error("again"))
    expect(await filling).toBeInstanceOf(WriteRejected)
    await log.end()
    expect(await inFlight).toEqual({ lsn: 11 })
    expect(told).not.toContain("failure")
    expect(log.drafts).toHaveLength(1)
  })

  test("what the log does not have yet can be had as frames", async () => {
    const { log, commit, write } = scene()
    void write()
    await turn()
    void write()
    void write()
    expect([...commit.unwritten()].map(({ firstLsn, lastLsn }) => [firstLsn, lastLsn])).toEqual([
      [11, 11],
      [12, 13],
    ])
    await log.end()
    expect([...commit.unwritten()].map(({ firstLsn, lastLsn }) => [firstLsn, lastLsn])).toEqual([[12, 13]])
    await log.end()
    expect([...commit.unwritten()]).toEqual([])
  })
})

test("10,000 writers over a backlog of a few writes are all served, in the order in which they came", async () => {
  const admission = new Admission(10_000)
  const log = new HeldLog()
  const served: number[] = []
  const commit: GroupCommit = new GroupCommit(
    log,
    new SimulatedClock(),
    { records: 1_000, bytes: 100_000, delayMs: 0, syncDelayMs: 100 },
    256,
    {
      beforeSwitch: () => undefined,
      onDurable: () => undefined,
      onAdvance: () => undefined,
      onRoom: () => admission.admit(() => commit.hasRoom),
      onFailure: () => undefined,
    },
  )
  const write = (): Promise<{ lsn: number }> => commit.commit(commit.batch.position + 64, 1, "synced")
  let settled = 0
  let passed = 0
  const all: Promise<void>[] = []
  const settle = (n: number) => (): void => {
    served.push(n)
    settled++
  }
  for (let n = 0; n < 10_000; n++) {
    if (commit.hasRoom && admission.count === 0) {
      passed++
      all.push(write().then(settle(n)))
    } else all.push(admission.wait(write, undefined).then(settle(n)))
  }
  expect(passed).toBeGreaterThan(0)
  let rounds = 0
  while (settled < 10_000) {
    await turn()
    expect(log.inFlightCount, `a wake-up was lost behind ${settled} writers`).toBe(1)
    await log.end()
    rounds++
  }
  await Promise.all(all)
  expect(served).toEqual(Array.from({ length: 10_000 }, (_, n) => n))
  expect(log.drafts.every(({ size }) => size <= 256 + 64)).toBe(true)
  expect(rounds).toBeGreaterThan(2_000)
})
