// Story. A shard that died while the log was down could not be built anew, because it reads the log for that: it failed,
// was started again at once, failed again, and after ten times within a moment the store gave up and closed. The log was
// down for a moment only, because its writer had died, too; or for long, because the disk was full and the store was
// read-only. Found by killing each actor at each turn of a run in which the log is started anew. Now a shard waits where
// the log is about to be started anew, and the shard with it; and where there is no room for a log it takes what the last
// recovery found.

import { expect, test } from "vitest"
import { open } from "../../src/index.ts"
import { probes } from "../../src/model/invariant.ts"
import { simulatePlatform } from "../../src/simulation/simulated-platform.ts"
import { untilSettled } from "../property/store-history.ts"

test("a shard that dies with the log's writer comes back with it, and costs no more than its own restart", async () => {
  const platform = simulatePlatform({ seed: 1 })
  const store = await open("/data", { platform, segmentBytes: 4096, shards: 2 })
  const table = store.table<number>("t")
  await untilSettled(platform, table.putMany(Array.from({ length: 40 }, (_, n) => [`k${n}`, n] as const)))
  const pending = table.put("pending", -1)
  const writer = store.killActor("store/log/wal-writer", new Error("test"))
  const shard = store.killActor("store/shards/shard-0", new Error("test"))
  await untilSettled(platform, Promise.all([writer, shard]))
  const during = table.put("during", -2)
  await untilSettled(platform, store.ready())
  await untilSettled(platform, Promise.all([pending, during]))
  expect(probes().get("a shard waits for the log to be started anew") ?? 0).toBeGreaterThan(0)
  expect(store.status.state).toBe("open")
  expect([...table.keys()]).toHaveLength(42)
  const restarts = store.actors().find(({ path }) => path === "store/shards/shard-0")?.restartCount
  expect(restarts).toBeLessThanOrEqual(1)
  await untilSettled(platform, store.close())
})

test.each([1, 3])(
  "a shard that dies in a read-only store, with %i checkpoints, comes back with all that is read",
  async (keep) => {
    const platform = simulatePlatform({ seed: 1 })
    const disk = platform.fileSystem
    const options = { platform, segmentBytes: 4096, shards: 2, keep: { checkpoints: keep } }
    const store = await untilSettled(platform, open("/data", options))
    const table = store.table<Uint8Array>("t")
    for (let n = 0; n < 12; n++) await untilSettled(platform, table.put(`k${n}`, new Uint8Array(900)))
    await untilSettled(platform, store.checkpoint())
    disk.capacityBytes = [...disk.files().values()].reduce(
      (sum, { length }) => sum + Math.ceil(length / 4096) * 4096,
      0,
    )
    let written = 12
    for (let isFull = false; !isFull;) {
      await untilSettled(platform, table.put(`k${written}`, new Uint8Array(900))).then(
        () => written++,
        () => (isFull = true),
      )
    }
    await untilSettled(platform, store.ready())
    expect(store.status.state).toBe("read-only")
    for (const shard of ["shard-0", "shard-1", "shard-0"]) {
      await untilSettled(platform, store.killActor(`store/shards/${shard}`, new Error("test")))
      for (let round = 0; round < 50 && store.metrics().shards.some(({ isUp }) => !isUp); round++)
        await new Promise<void>((resolve) => setImmediate(resolve))
      expect([...table.keys()]).toHaveLength(written)
      expect(store.status.state).toBe("read-only")
    }
    expect(probes().get("a shard is rebuilt while there is no log") ?? 0).toBeGreaterThan(2)
    disk.capacityBytes = undefined
    platform.clock.advance(20_000)
    for (let round = 0; round < 200 && store.status.state !== "open"; round++)
      await new Promise<void>((resolve) => setImmediate(resolve))
    await untilSettled(platform, table.put("again", new Uint8Array(1)))
    expect([...table.keys()]).toHaveLength(written + 1)
    await untilSettled(platform, store.close())
  },
)
