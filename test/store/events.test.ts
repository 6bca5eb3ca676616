// The turns in a store's life, as the store and the process tell them.

import { subscribe, unsubscribe } from "node:diagnostics_channel"
import { join } from "node:path"
import { config } from "rxjs"
import { expect, onTestFinished, test } from "vitest"
import { open } from "../../src/index.ts"
import type { StoreEvent } from "../../src/index.ts"
import { temporaryDirectory, temporaryStore } from "./temporary-store.ts"

// Without alerts, where every event counts: a nearly full disk of this machine is not what is tested here.

/** What arrives on a diagnostics channel until the test ends. */
function heardOn(channel: string): { readonly path: string; readonly event: StoreEvent }[] {
  const heard: { readonly path: string; readonly event: StoreEvent }[] = []
  const listener = (message: unknown): void => void heard.push(message as (typeof heard)[number])
  subscribe(channel, listener)
  onTestFinished(() => void unsubscribe(channel, listener))
  return heard
}

test("a store tells of a checkpoint, a backup and its end, and then completes", async () => {
  const store = await temporaryStore({ alerts: false })
  const events: StoreEvent[] = []
  let isComplete = false
  store.events().subscribe({ next: (event) => void events.push(event), complete: () => void (isComplete = true) })
  await store.table("users").put("ada", 1)
  const made = await store.checkpoint()
  const backup = await store.backup(join(await temporaryDirectory(), "backup"))
  await store.close()
  await Promise.resolve()
  expect(isComplete).toBe(true)
  expect(events.map(({ kind }) => kind)).toEqual(["checkpointed", "backed-up", "status", "status", "closed"])
  expect(events[0]).toMatchObject({ report: made })
  expect(events[1]).toMatchObject({ report: backup })
  expect(events.slice(2)).toMatchObject([{ state: "closing" }, { state: "closed" }, { reason: undefined }])
  expect(events.every(({ timeMs }) => Math.abs(timeMs - Date.now()) < 60_000)).toBe(true)
})

test.each([
  ["on this thread", false],
  ["by a worker", true],
])(
  "a checkpoint that is made %s says how far it is; a listener that throws ends the waiting alone",
  async (_, worker) => {
    const store = await temporaryStore({ checkpoint: { worker } })
    const pad = "x".repeat(1000)
    const fill = (from: number): Promise<unknown> =>
      store.table("t").putMany(Array.from({ length: 6000 }, (__, n) => [`k${from + n}`, { n, pad }]))
    await fill(0)
    const told: { readonly doneBytes: number; readonly totalBytes: number }[] = []
    const made = await store.checkpoint({ onProgress: (progress) => void told.push(progress) })
    // A worker that is fast has nothing to say.
    if (!worker) expect(told.length).toBeGreaterThan(10)
    for (const [index, { doneBytes, totalBytes }] of told.entries()) {
      expect(doneBytes).toBeGreaterThanOrEqual(told[index - 1]?.doneBytes ?? 0)
      expect(doneBytes).toBeLessThanOrEqual(totalBytes)
    }
    if (!worker) expect(told.at(-1)?.doneBytes).toBeGreaterThan((made?.sizeBytes ?? 0) / 2)
    if (worker) return
    await fill(6000)
    const failure = new Error("thrown by the listener")
    const throws = (): never => {
      throw failure
    }
    await expect(store.checkpoint({ onProgress: throws })).rejects.toBe(failure)
    await expect.poll(() => store.metrics().checkpoint.made).toBe(2)
    expect(store.status.state).toBe("open")
  },
)

test("a restarted actor is told with how often it was", async () => {
  const store = await temporaryStore({ alerts: false })
  const events: StoreEvent[] = []
  store.events().subscribe((event) => void events.push(event))
  for (const restarts of [1, 2]) {
    await store.killActor("store/shards/shard-3", new Error("killed by the test"))
    await store.ready()
    await expect.poll(() => events.at(-1)).toMatchObject({ kind: "restarted", actor: "store/shards/shard-3", restarts })
  }
})

test("the process's diagnostics channels tell of opening, with the path of the store", async () => {
  const opened = heardOn("orrery:opened")
  const recovered = heardOn("orrery:recovered")
  const closed = heardOn("orrery:closed")
  const path = join(await temporaryDirectory(), "store")
  await using store = await open(path)
  expect(opened).toMatchObject([{ path, event: { kind: "opened", recovery: store.recovery } }])
  expect(recovered).toMatchObject([{ path, event: { report: { foundStore: false } } }])
  expect(closed).toEqual([])
  await store.close()
  expect(closed).toMatchObject([{ path, event: { kind: "closed" } }])
})

test("a subscriber that throws harms neither the store nor other subscribers", async () => {
  const store = await temporaryStore({ alerts: false })
  const thrown: unknown[] = []
  config.onUnhandledError = (error: unknown): void => void thrown.push(error)
  onTestFinished(() => void (config.onUnhandledError = null))
  const events: StoreEvent[] = []
  const failure = new Error("thrown by a subscriber")
  const broken = store.events().subscribe(() => {
    throw failure
  })
  store.events().subscribe((event) => void events.push(event))
  await store.table("users").put("ada", 1)
  await store.checkpoint()
  broken.unsubscribe()
  await expect.poll(() => thrown).toEqual([failure])
  expect(events.map(({ kind }) => kind)).toEqual(["checkpointed"])
  expect(store.status.state).toBe("open")
})

test("alerts are told on the process's diagnostics channels, when they are raised and when they are cleared", async () => {
  const raised = heardOn("orrery:alert-raised")
  const cleared = heardOn("orrery:alert-cleared")
  const store = await temporaryStore({ checkpoint: false, alerts: { logWarningBytes: 100, redundancy: 1 } })
  await store.table("users").put("ada", "x".repeat(100))
  const [alert] = await store.checkAlerts()
  expect(alert).toMatchObject({ rule: "log", severity: "warning" })
  expect(raised).toMatchObject([{ path: store.path, event: { kind: "alert-raised", alert } }])
  await store.checkpoint()
  expect(cleared).toEqual([])
  await store.checkAlerts()
  expect(cleared).toMatchObject([{ path: store.path, event: { kind: "alert-cleared", alert: { rule: "log" } } }])
})
