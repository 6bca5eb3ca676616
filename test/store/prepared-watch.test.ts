// Prepared transactions that nobody decides: events, the alert, and presumption where it was asked for.

import { expect, test } from "vitest"
import { open } from "../../src/index.ts"
import type { OpenOptions, StoreEvent } from "../../src/index.ts"
import { WatchedStore } from "./watched-store.ts"

async function prepare(watched: WatchedStore, id: string): Promise<void> {
  const { store } = watched
  const work = store.transact((tx) => {
    tx.put(store.table("p"), id, 1)
    tx.prepare(id)
  })
  await watched.settled(work)
}

/** "in-doubt T1", … */
function toldOf(events: readonly StoreEvent[]): string[] {
  return events.flatMap((event) =>
    event.kind === "in-doubt" || event.kind === "presumed-aborted" ? [`${event.kind} ${event.id}`] : [],
  )
}

test("one that is in doubt for a minute is told of once, and an alert stands until it is decided", async () => {
  const watched = await WatchedStore.open()
  await prepare(watched, "T1")
  await watched.pass(30_000)
  await prepare(watched, "T2")
  await watched.pass(29_000)
  expect([toldOf(watched.events), watched.told]).toEqual([[], []])
  await watched.pass(3_000)
  expect([toldOf(watched.events), watched.told]).toEqual([["in-doubt T1"], ["in-doubt warning"]])
  expect(watched.store.alerts()).toMatchObject([{ rule: "in-doubt", unit: "milliseconds", threshold: 60_000 }])
  await watched.pass(40_000)
  expect(toldOf(watched.events)).toEqual(["in-doubt T1", "in-doubt T2"])
  await watched.settled(watched.store.commitPrepared("T1"))
  await watched.settled(watched.store.abortPrepared("T2"))
  await watched.pass(2_000)
  expect(watched.told).toEqual(["in-doubt warning", "in-doubt cleared"])
  expect(watched.store.inDoubt()).toEqual([])
  await watched.close()
})

test("its age counts from its prepare also behind a restart, where it is told of again", async () => {
  const watched = await WatchedStore.open({ prepared: { warnMs: 5_000 } })
  await prepare(watched, "T1")
  await watched.pass(4_000)
  await watched.close()
  const opening = open("/data", {
    platform: watched.platform,
    shards: 2,
    segmentBytes: 4096,
    prepared: { warnMs: 5_000 },
  })
  const store = await watched.settled(opening)
  const events: StoreEvent[] = []
  store.events().subscribe((event) => events.push(event))
  expect(store.inDoubt()[0]?.ageMs).toBeGreaterThanOrEqual(4_000)
  await watched.pass(3_000)
  expect(toldOf(events)).toEqual(["in-doubt T1"])
  await watched.settled(store.close())
})

test("nothing is told, and nothing presumed, where the options say so", async () => {
  const watched = await WatchedStore.open({ prepared: { warnMs: 0 } })
  await prepare(watched, "T1")
  await watched.pass(10 * 60_000)
  expect([toldOf(watched.events), watched.told]).toEqual([[], []])
  expect(watched.store.outcome("T1")).toEqual({ outcome: "in doubt" })
  await watched.close()
})

test("with abortMs those that are that old are aborted, and say why", async () => {
  const options: OpenOptions = { prepared: { abortMs: 10_000, warnMs: 5_000 } }
  const watched = await WatchedStore.open(options)
  await prepare(watched, "T1")
  await prepare(watched, "T2")
  await watched.pass(6_000)
  await watched.settled(watched.store.commitPrepared("T2"))
  await prepare(watched, "T3")
  await watched.pass(6_000)
  expect(toldOf(watched.events).slice(0, 3)).toEqual(["in-doubt T1", "in-doubt T2", "presumed-aborted T1"])
  expect(watched.store.outcome("T1")).toMatchObject({
    outcome: "aborted",
    reason: expect.stringMatching(/^presumed aborted: in doubt for 1\d{4} ms$/),
  })
  expect(watched.store.inDoubt().map(({ id }) => id)).toEqual(["T3"])
  await expect(watched.settled(watched.store.commitPrepared("T1"))).rejects.toMatchObject({
    code: "ORRERY_ALREADY_DECIDED",
  })
  await watched.close()
})

test("presumption counts from the opening of the store, not the time in which nobody could decide", async () => {
  const prepared = { abortMs: 10_000 }
  const watched = await WatchedStore.open({ prepared })
  await prepare(watched, "T1")
  await watched.pass(8_000)
  await watched.close()
  watched.platform.clock.advance(3_600_000)
  const store = await watched.settled(
    open("/data", { platform: watched.platform, shards: 2, segmentBytes: 4096, prepared }),
  )
  await watched.pass(8_000)
  expect(store.outcome("T1")).toEqual({ outcome: "in doubt" })
  await watched.pass(4_000)
  expect(store.outcome("T1")).toMatchObject({ outcome: "aborted" })
  await watched.settled(store.close())
})

test("presumption that meets a shard which is down tries again", async () => {
  const watched = await WatchedStore.open({ prepared: { abortMs: 2_000 } })
  await prepare(watched, "T1")
  const disk = watched.disk
  disk.faults.add({ operation: 0, through: Number.POSITIVE_INFINITY, only: ["read"], error: "EIO" })
  const killed = [0, 1].map((shard) => watched.store.killActor(`store/shards/shard-${shard}`, new Error("killed")))
  disk.faults.clear()
  await watched.settled(Promise.all(killed))
  await watched.pass(8_000)
  expect(watched.store.outcome("T1")).toMatchObject({ outcome: "aborted" })
  await watched.close()
})

test("wrong options are refused before anything is touched", async () => {
  for (const prepared of [{ warnMs: -1 }, { abortMs: 1.5 }, { count: 0 }, { decisions: 0 }, { patience: 1 }]) {
    await expect(open("/nowhere/orrery", { prepared } as OpenOptions)).rejects.toThrow(TypeError)
  }
})
