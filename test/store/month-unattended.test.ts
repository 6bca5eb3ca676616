// A month in the life of a store that nobody looks at, by the rules of docs/operations.md: writes at every hour, a backup
// every night, a power cut every few days. What it takes stays within the bounds that the document gives, nothing
// acknowledged is lost, and no alert stands at the end.

import "../../src/actors/engine.ts"
import { expect, test } from "vitest"
import { open, restoreStore } from "../../src/index.ts"
import type { Store, StoreEvent } from "../../src/index.ts"
import { verifyStore } from "../../src/recovery/verify.ts"
import { simulatePlatform } from "../../src/simulation/simulated-platform.ts"
import type { SimulatedPlatform } from "../../src/simulation/simulated-platform.ts"
import { untilSettled } from "../property/store-history.ts"

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
const SEGMENT_BYTES = 16 * 1024
const LOG_BYTES = 64 * 1024
const CHECKPOINTS_KEPT = 3
const KEYS = 300

/** Bytes of what a directory holds, by the beginning of the name. */
function bytesIn(platform: SimulatedPlatform, directory: string, prefix = ""): number {
  let bytes = 0
  for (const [path, content] of platform.fileSystem.files()) {
    if (path.startsWith(`${directory}/${prefix}`)) bytes += content.length
  }
  return bytes
}

test("a store that nobody looks at for a month stays within its bounds, and loses nothing", async () => {
  let platform = simulatePlatform({ seed: 30 })
  const events: StoreEvent[] = []
  const openStore = async (): Promise<Store> => {
    const opening = open("/data", {
      platform,
      segmentBytes: SEGMENT_BYTES,
      checkpoint: { logBytes: LOG_BYTES },
      keep: { checkpoints: CHECKPOINTS_KEPT },
    })
    const opened = await untilSettled(platform, opening)
    opened.events().subscribe((event) => void events.push(event))
    return opened
  }
  let store = await openStore()
  const model = new Map<string, number>()
  let n = 0
  let largest = 0
  let largestCheckpoint = 0
  let cuts = 0
  const allocated: number[] = []

  for (let day = 1; day <= 30; day++) {
    for (let hour = 0; hour < 24; hour++) {
      const table = store.table<{ n: number; text: string }>("t")
      const entries = Array.from({ length: 40 }, () => {
        n++
        return [`key ${(n * 7919) % KEYS}`, { n, text: "x".repeat(n % 90) }] as const
      })
      await untilSettled(platform, table.putMany(entries))
      for (const [key, value] of entries) model.set(key, value.n)
      const gone = `key ${(hour * 31 + day) % KEYS}`
      await untilSettled(platform, table.delete(gone))
      model.delete(gone)
      // The timers see two seconds of every hour; the wall clock all of it, and once an hour too much.
      platform.clock.advance(2000)
      platform.clock.jumpWall(HOUR_MS - 2000 + (hour === 3 ? HOUR_MS : hour === 4 ? -HOUR_MS : 0))
      await untilSettled(platform, store.flush())
      largest = Math.max(largest, bytesIn(platform, "/data"))
      largestCheckpoint = Math.max(largestCheckpoint, store.metrics().checkpoint.lastSizeBytes)
    }
    await untilSettled(platform, store.backup("/backup", { keepDays: 7 }))
    allocated.push(store.metrics().tables.allocatedBytes)
    if (day % 4 !== 0) continue
    // The power fails: the process is gone, and with it everything that was not synced.
    const { clock } = platform
    platform = simulatePlatform({ seed: day, disk: platform.fileSystem.crash("nothing"), clock })
    cuts++
    store = await openStore()
    const found = new Map([...store.table<{ n: number }>("t").entries()].map(([key, value]) => [key, value.n]))
    expect(found, `day ${day}`).toEqual(model)
  }

  expect(cuts).toBe(7)
  const checkpoints = events.filter(({ kind }) => kind === "checkpointed")
  expect(checkpoints.length).toBeGreaterThan(20)
  expect(events.filter(({ kind }) => kind === "checkpoint-failed" || kind === "restarted")).toEqual([])
  expect(store.alerts()).toEqual([])

  // The bounds of docs/operations.md.
  const bound = (CHECKPOINTS_KEPT + 1) * largestCheckpoint + (CHECKPOINTS_KEPT + 2) * LOG_BYTES + 4 * SEGMENT_BYTES
  expect(largest).toBeLessThan(bound)
  expect(bytesIn(platform, "/data", "audit")).toBeLessThan(2 * 1024 * 1024)
  // Eight nights, and the newest.
  expect(bytesIn(platform, "/backup")).toBeLessThan(9 * largestCheckpoint + 4096)
  const month = allocated.slice(-5)
  expect(Math.max(...month)).toBeLessThan(1.5 * Math.max(...allocated.slice(0, 5)))

  await untilSettled(platform, store.close())
  expect((await untilSettled(platform, verifyStore(platform, "/data"))).verdict).toBe("good")
  expect((await untilSettled(platform, verifyStore(platform, "/backup"))).verdict).toBe("good")

  // A week back there is a backup to restore from.
  const at = new Date(platform.clock.wallMs() - 6 * DAY_MS)
  const restored = await untilSettled(platform, restoreStore({ from: "/backup", into: "/restored", at, platform }))
  expect(restored.timeMs).toBeGreaterThan(at.getTime() - 2 * DAY_MS)
  expect(restored.records).toBeGreaterThan(KEYS / 2)
})
