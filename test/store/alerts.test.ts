// Alerts as a store raises them: what has to happen, how they are told, and that nothing comes to harm by them.

import { spawnSync } from "node:child_process"
import { rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { config } from "rxjs"
import { describe, expect, onTestFinished, test } from "vitest"
import { open } from "../../src/index.ts"
import type { Alert, OpenOptions } from "../../src/index.ts"
import type { SimulatedDiskOptions } from "../../src/simulation/simulated-disk.ts"
import { SimulatedClock } from "../../src/simulation/simulated-clock.ts"
import { WatchedStore } from "./watched-store.ts"

/** What a checkpoint begins with, and the log does not need. */
const FAILING = { operation: 0, through: Number.POSITIVE_INFINITY, only: ["stat" as const], error: "EIO" }
/** The defaults, a thousandth of them. */
const SMALL: OpenOptions = {
  checkpoint: { logBytes: 64_000 },
  alerts: { logWarningBytes: 10_000, logCriticalBytes: 50_000, checkpointFailures: 1_000 },
}

describe("the log", () => {
  test("raises nothing in a busy store whose checkpoints keep up", async () => {
    const watched = await WatchedStore.open(SMALL)
    for (let round = 0; round < 40; round++) {
      await watched.write(15_000)
      await watched.pass(1_000)
    }
    expect(watched.store.metrics().checkpoint.made).toBeGreaterThan(5)
    expect(watched.told).toEqual([])
    await watched.close()
  })

  test("raises a warning where checkpoints fail, and at critical one is begun at once, which ends it", async () => {
    const watched = await WatchedStore.open(SMALL)
    watched.disk.faults.add(FAILING)
    await watched.write(59_000)
    // The pauses between attempts have grown to a minute.
    await watched.pass(70_000)
    expect(watched.store.metrics().checkpoint).toMatchObject({ made: 0, failures: 7 })
    expect(watched.told).toEqual([])
    await watched.write(12_000)
    await watched.pass(1_000)
    expect(watched.told).toEqual(["log warning", "redundancy warning"])
    expect(watched.store.alerts()).toMatchObject([{ rule: "log", unit: "bytes", threshold: 10_000 }, {}])
    watched.disk.faults.clear()
    await watched.pass(2_000)
    expect(watched.store.metrics().checkpoint.made).toBe(0)
    await watched.write(45_000)
    await watched.pass(2_000)
    expect(watched.told.slice(2)).toEqual(["log critical", "log cleared", "redundancy cleared"])
    expect(watched.store.metrics().checkpoint.made).toBe(1)
    expect(watched.store.alerts()).toEqual([])
    const kinds = watched.events.map(({ kind }) => kind).filter((kind) => kind !== "checkpoint-failed")
    expect(kinds).toEqual([
      "alert-raised",
      "alert-raised",
      "alert-raised",
      "checkpointed",
      "alert-cleared",
      "alert-cleared",
    ])
    await watched.close()
  })

  test("does not count what has only come since it was last looked whether a checkpoint is due", async () => {
    const watched = await WatchedStore.open(SMALL)
    await watched.pass(900)
    await watched.write(130_000)
    expect(watched.store.metrics().checkpoint).toMatchObject({ made: 0 })
    await watched.pass(30_000)
    expect(watched.store.metrics().checkpoint).toMatchObject({ made: 1 })
    expect(watched.told).toEqual([])
    await watched.close()
  })

  test("does not count what a running checkpoint takes, however long it takes, but what comes behind it", async () => {
    const clock = new SimulatedClock()
    let isStalled = false
    const held: (() => void)[] = []
    const disk: SimulatedDiskOptions = {
      completion: (complete) => void (isStalled ? held.push(complete) : queueMicrotask(complete)),
    }
    const watched = await WatchedStore.open(SMALL, disk, clock)
    await watched.write(45_000)
    isStalled = true
    // Its first look at the disk takes that long.
    const checkpoint = watched.store.checkpoint()
    for (let round = 0; round < 20 && held.length === 0; round++) await Promise.resolve()
    isStalled = false
    expect(held.length).toBe(1)
    await watched.write(40_000)
    await watched.pass(3_000)
    expect(watched.store.metrics().checkpoint.replayBytes).toBeGreaterThan(64_000 + 10_000)
    expect(watched.told).toEqual([])
    await watched.write(40_000)
    await watched.pass(3_000)
    expect(watched.told).toEqual(["log warning", "redundancy warning"])
    for (const complete of held) complete()
    await watched.settled(checkpoint)
    await watched.pass(3_000)
    expect(watched.store.alerts()).toEqual([])
    await watched.close()
  })

  test("begins one checkpoint for each time that it becomes critical, and not one a second", async () => {
    const watched = await WatchedStore.open(SMALL)
    watched.disk.faults.add(FAILING)
    await watched.write(59_000)
    await watched.pass(70_000)
    const { failures } = watched.store.metrics().checkpoint
    await watched.write(60_000)
    await watched.pass(20_000)
    expect(watched.told).toEqual(["log critical", "redundancy warning"])
    expect(watched.store.metrics().checkpoint.failures).toBe(failures + 1)
    watched.disk.faults.clear()
    await watched.close()
  })

  test("counts from the last checkpoint where they are made by hand, and makes none by itself", async () => {
    const watched = await WatchedStore.open({ ...SMALL, checkpoint: false })
    await watched.write(12_000)
    await watched.pass(1_000)
    await watched.write(50_000)
    await watched.pass(60_000)
    expect(watched.told).toEqual(["log warning", "redundancy warning", "log critical"])
    expect(watched.store.metrics().checkpoint.made).toBe(0)
    await watched.settled(watched.store.checkpoint())
    await watched.pass(1_000)
    expect(watched.told.slice(3)).toEqual(["log cleared", "redundancy cleared"])
    await watched.close()
  })
})

test("a nearly full disk is told of within ten seconds, by how full it is", async () => {
  const watched = await WatchedStore.open({}, { capacityBytes: 1024 * 4096 })
  await watched.write(400_000)
  const setFree = async (share: number): Promise<void> => {
    const used = (watched.disk.capacityBytes ?? 0) - ((await watched.disk.freeBytes("/")) ?? 0)
    watched.disk.capacityBytes = Math.ceil(used / (1 - share))
    await watched.pass(11_000)
  }
  await setFree(0.5)
  expect(watched.told).toEqual([])
  await setFree(0.08)
  expect(watched.store.alerts()).toMatchObject([{ rule: "disk", severity: "warning", unit: "share" }])
  expect(watched.store.alerts()[0]?.value).toBeCloseTo(0.08, 2)
  await setFree(0.02)
  await setFree(0.11)
  await setFree(0.5)
  expect(watched.told).toEqual(["disk warning", "disk critical", "disk warning", "disk cleared"])
  await watched.close()
})

test("a disk that does not say how full it is raises nothing, and harms nothing", async () => {
  const watched = await WatchedStore.open({}, { capacityBytes: 1024 * 4096 })
  watched.disk.faults.add({ ...FAILING, only: ["freeBytes", "totalBytes"] })
  await watched.pass(30_000)
  expect(watched.disk.faults.hitCount).toBeGreaterThan(3)
  expect(watched.told).toEqual([])
  expect(watched.store.status.state).toBe("open")
  await watched.close()
})

test("whoever asks is told at once, and others with him", async () => {
  const watched = await WatchedStore.open({ checkpoint: false, alerts: { logWarningBytes: 1_000 } })
  await watched.write(5_000)
  expect(watched.store.alerts()).toEqual([])
  const alerts = await watched.settled(watched.store.checkAlerts())
  expect(alerts.map(({ rule }) => rule)).toEqual(["log", "redundancy"])
  watched.disk.capacityBytes = 4096
  const both = await Promise.all([1, 2].map(() => watched.settled(watched.store.checkAlerts())))
  expect(both.map((list) => list.map(({ rule }) => rule))).toEqual([
    ["log", "redundancy", "disk"],
    ["log", "redundancy", "disk"],
  ])
  expect(watched.told).toEqual(["log warning", "redundancy warning", "disk critical"])
  await watched.close()
  await expect(watched.store.checkAlerts()).rejects.toMatchObject({ code: "ORRERY_CLOSED" })
})

test("slow flushes are told of, those of the last ten seconds and not those of old", async () => {
  const clock = new SimulatedClock()
  let delayMs = 1
  const watched = await WatchedStore.open({}, { completion: (complete) => void clock.after(delayMs, complete) }, clock)
  await watched.write(5_000)
  await watched.pass(15_000)
  expect(watched.told).toEqual([])
  delayMs = 250
  await watched.write(5_000)
  await watched.pass(10_000)
  expect(watched.told).toEqual(["flush-latency warning"])
  expect(watched.store.alerts()[0]?.value).toBeGreaterThanOrEqual(250)
  delayMs = 1
  await watched.write(5_000)
  await watched.pass(20_000)
  expect(watched.told).toEqual(["flush-latency warning", "flush-latency cleared"])
  expect(watched.store.metrics().flush.latencyMs.p99).toBeGreaterThanOrEqual(250)
  await watched.close()
})

test("an event loop that is late is told of, and its delay is among the metrics", async () => {
  const watched = await WatchedStore.open()
  watched.platform.eventLoop.delay = { p50Ms: 1, p99Ms: 220, maxMs: 300 }
  await watched.pass(11_000)
  expect(watched.told).toEqual(["event-loop warning"])
  expect(watched.store.metrics().eventLoop).toEqual({ p50Ms: 1, p99Ms: 220, maxMs: 300 })
  watched.platform.eventLoop.delay = { p50Ms: 1, p99Ms: 2, maxMs: 300 }
  await watched.pass(10_000)
  expect(watched.told).toEqual(["event-loop warning", "event-loop cleared"])
  await watched.close()
  expect(watched.platform.eventLoop.measurementCount).toBe(0)
})

test("an actor that is restarted again and again is told of, until it keeps up for a while", async () => {
  const watched = await WatchedStore.open()
  for (const shard of [0, 1, 0, 1, 0]) {
    await watched.settled(watched.store.killActor(`store/shards/shard-${shard}`, new Error("killed by the test")))
    await watched.settled(watched.store.ready())
  }
  await watched.pass(1_000)
  // Three restarts of one and two of the other are not four of one.
  expect(watched.told).toEqual([])
  await watched.settled(watched.store.killActor("store/shards/shard-0", new Error("killed by the test")))
  await watched.settled(watched.store.ready())
  await watched.pass(1_000)
  expect(watched.told).toEqual(["actors warning"])
  expect(watched.store.alerts()).toMatchObject([{ rule: "actors", value: 4, unit: "count" }])
  await watched.pass(60_000)
  expect(watched.told).toEqual(["actors warning", "actors cleared"])
  await watched.close()
})

test("checkpoints that fail in a row are critical, until one succeeds", async () => {
  const watched = await WatchedStore.open({ checkpoint: { logBytes: 1_000 } })
  watched.disk.faults.add(FAILING)
  await watched.write(2_000)
  await watched.pass(3_000)
  expect(watched.told).toEqual([])
  await watched.pass(3_000)
  expect(watched.told).toEqual(["checkpoints critical"])
  expect(watched.store.metrics().alerts).toMatchObject({ warning: 0, critical: 1 })
  expect(watched.store.metrics().alerts.rules).toMatchObject({ checkpoints: "critical", log: "none" })
  watched.disk.faults.clear()
  await watched.pass(10_000)
  expect(watched.told).toEqual(["checkpoints critical", "checkpoints cleared"])
  await watched.close()
})

test("a full disk is critical as long as the store takes no writes", async () => {
  const watched = await WatchedStore.open({ alerts: { diskFreeShare: 0 } }, { capacityBytes: 1024 * 4096 })
  await watched.write(2_000)
  watched.disk.capacityBytes = 1
  await watched.settled(writeUntilRefused(watched))
  await watched.pass(2_000)
  expect(watched.store.status.state).toBe("read-only")
  expect(watched.told).toEqual(["read-only critical"])
  watched.disk.capacityBytes = 1024 * 4096
  await watched.pass(30_000)
  expect(watched.store.status.state).toBe("open")
  expect(watched.told).toEqual(["read-only critical", "read-only cleared"])
  await watched.close()
})

async function writeUntilRefused(watched: WatchedStore): Promise<void> {
  const table = watched.store.table<string>("t")
  try {
    for (let n = 0; n < 1_000; n++) await table.put(`k${n}`, "v".repeat(1_000))
  } catch {
    return
  }
  throw new Error("the disk is not full")
}

describe("the hook", () => {
  test("is told of every alert that is raised or cleared", async () => {
    const told: (readonly [Alert["rule"], string])[] = []
    const onAlert = ({ rule }: Alert, change: string): void => void told.push([rule, change])
    const watched = await WatchedStore.open({ alerts: { onAlert } })
    watched.platform.eventLoop.delay = { p50Ms: 1, p99Ms: 220, maxMs: 300 }
    await watched.pass(11_000)
    watched.platform.eventLoop.delay = { p50Ms: 1, p99Ms: 2, maxMs: 300 }
    await watched.pass(10_000)
    expect(told).toEqual([
      ["event-loop", "raised"],
      ["event-loop", "cleared"],
    ])
    await watched.close()
  })

  test("that throws harms neither the store nor the alerts to come", async () => {
    const thrown: unknown[] = []
    config.onUnhandledError = (error: unknown): void => void thrown.push(error)
    onTestFinished(() => void (config.onUnhandledError = null))
    const failure = new Error("thrown by the hook")
    const onAlert = (): void => {
      throw failure
    }
    const watched = await WatchedStore.open({ alerts: { onAlert } })
    watched.platform.eventLoop.delay = { p50Ms: 1, p99Ms: 220, maxMs: 300 }
    await watched.pass(11_000)
    watched.platform.eventLoop.delay = { p50Ms: 1, p99Ms: 2, maxMs: 300 }
    await watched.pass(10_000)
    await expect.poll(() => thrown).toEqual([failure, failure])
    expect(watched.told).toEqual(["event-loop warning", "event-loop cleared"])
    expect(watched.store.metrics().actors.restarts).toEqual({})
    await watched.write(1_000)
    await watched.close()
  })
})

test("with alerts: false none is raised, and the event loop is measured all the same", async () => {
  const watched = await WatchedStore.open({ checkpoint: false, alerts: false })
  watched.platform.eventLoop.delay = { p50Ms: 1, p99Ms: 1_000, maxMs: 1_000 }
  await watched.pass(11_000)
  expect(watched.told).toEqual([])
  expect(watched.store.alerts()).toEqual([])
  expect(watched.store.metrics().eventLoop.p99Ms).toBe(1_000)
  await watched.close()
})

test("a monitor that is killed is restarted, tells nothing twice, and goes on", async () => {
  const watched = await WatchedStore.open({ ...SMALL, checkpoint: false })
  await watched.write(12_000)
  await watched.pass(1_000)
  const told = ["log warning", "redundancy warning"]
  expect(watched.told).toEqual(told)
  await watched.settled(watched.store.killActor("store/monitor", new Error("killed by the test")))
  await watched.pass(3_000)
  expect(watched.store.metrics().actors.restarts).toEqual({ "store/monitor": 1 })
  expect(watched.store.alerts().length).toBe(2)
  expect(watched.told).toEqual(told)
  await watched.settled(watched.store.checkpoint())
  await watched.pass(1_000)
  expect(watched.told).toEqual([...told, "log cleared", "redundancy cleared"])
  expect(watched.platform.eventLoop.measurementCount).toBe(1)
  await watched.close()
  expect(watched.platform.eventLoop.measurementCount).toBe(0)
})

test("an open store does not keep the process alive by being watched", () => {
  const door = new URL("../../src/index.ts", import.meta.url).href
  const path = join(tmpdir(), `orrery-test-watched-${process.pid}`)
  onTestFinished(() => rmSync(path, { recursive: true, force: true }))
  const script = `
    const { open } = await import("${door}")
    globalThis.store = await open(${JSON.stringify(path)})
    process.stdout.write(String(globalThis.store.metrics().eventLoop.maxMs))
  `
  const { status, stdout, stderr } = spawnSync(process.execPath, ["--input-type=module", "-e", script], {
    encoding: "utf8",
    timeout: 300_000,
  })
  expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: "0", stderr: "" })
})

describe("the options", () => {
  const refused: readonly (readonly [name: string, options: unknown, message: string])[] = [
    ["a name that is no option", { logWarning: 1 }, 'alerts has no "logWarning"'],
    [
      "a number of bytes that is none",
      { logWarningBytes: 0 },
      "alerts.logWarningBytes must be a whole number in bytes",
    ],
    ["a share above 1", { diskFreeShare: 10 }, "alerts.diskFreeShare must be a number from 0 to 1, not 10"],
    [
      "a share that is no number",
      { redundancy: Number.NaN },
      "alerts.redundancy must be a number from 0 to 1, not NaN",
    ],
    ["a hook that is none", { onAlert: "log" }, 'alerts.onAlert must be of type function, not "log"'],
    ["true", true, "alerts must be an object, not true"],
  ]
  test.each(refused)("refuse %s", async (_, alerts, message) => {
    await expect(open("/nowhere", { alerts } as OpenOptions)).rejects.toThrow(new TypeError(message).message)
  })

  test("refuse a redundancy of checkpoints that is no share", async () => {
    const options = { checkpoint: { redundancy: 2 } }
    await expect(open("/nowhere", options)).rejects.toThrow("checkpoint.redundancy must be a number from 0 to 1, not 2")
  })

  test("that raise a warning above the critical threshold move that one with it", async () => {
    const watched = await WatchedStore.open({
      checkpoint: false,
      alerts: { logWarningBytes: 60_000_000, diskFreeShare: 0.01 },
    })
    watched.disk.capacityBytes = 1_000_000_000
    await watched.pass(2_000)
    expect(watched.told).toEqual([])
    await watched.close()
  })
})
