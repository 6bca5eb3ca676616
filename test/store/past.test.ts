// A store as it was: exact to the commit, by LSN and by time, without touching anything.

import { readdir, readFile } from "node:fs/promises"
import { join } from "node:path"
import { describe, expect, test } from "vitest"
import { readManifest } from "../../src/checkpoint/manifest-file.ts"
import { CannotOpen, Corruption, HistoryExpired, open } from "../../src/index.ts"
import type { Store } from "../../src/index.ts"
import { simulatePlatform } from "../../src/simulation/simulated-platform.ts"
import type { SimulatedPlatform } from "../../src/simulation/simulated-platform.ts"
import { untilSettled } from "../property/store-history.ts"
import { temporaryDirectory, temporaryStore } from "./temporary-store.ts"

type Content = ReadonlyMap<string, unknown>

/** Random puts and deletes, with the content behind every commit. */
async function history(store: Store, platform: SimulatedPlatform, count: number): Promise<Map<number, Content>> {
  const table = store.table<number>("t")
  const states = new Map<number, Content>()
  let content = new Map<string, unknown>()
  for (let n = 0; n < count; n++) {
    const key = `k${(n * 7) % 13}`
    content = new Map(content)
    const work = n % 5 === 4 ? table.delete(key) : table.put(key, n)
    if (n % 5 === 4) content.delete(key)
    else content.set(key, n)
    const { lsn } = await untilSettled(platform, work)
    states.set(lsn, content)
    platform.clock.advance(1000)
    if (n % 20 === 19) await untilSettled(platform, store.checkpoint())
  }
  return states
}

async function contentAt(platform: SimulatedPlatform, at: number | Date): Promise<Content> {
  const past = await untilSettled(platform, open("/data", { readOnly: true, at, platform }))
  return new Map(past.table("t").entries())
}

describe("the past", () => {
  test("is exact to the commit, from before the first to the last, while the store is open", async () => {
    const platform = simulatePlatform({ seed: 1 })
    const store = await untilSettled(
      platform,
      open("/data", { platform, segmentBytes: 4096, keep: { checkpoints: 1000 } }),
    )
    const states = await history(store, platform, 70)
    expect(await contentAt(platform, 0)).toEqual(new Map())
    for (const [lsn, content] of states) expect(await contentAt(platform, lsn), `at ${lsn}`).toEqual(content)
    await untilSettled(platform, store.close())
    for (const [lsn, content] of states) expect(await contentAt(platform, lsn), `closed, ${lsn}`).toEqual(content)
  })

  test("inside a frame of many commits ends behind the one that was asked for", async () => {
    const store = await temporaryStore()
    const table = store.table<number>("t")
    const receipts = await Promise.all(Array.from({ length: 50 }, (_, n) => table.put("k", n)))
    for (const [n, { lsn }] of receipts.entries()) {
      await using past = await open(store.path, { readOnly: true, at: lsn })
      expect([past.lsn, past.table("t").get("k")]).toEqual([lsn, n])
    }
  })

  test("by time is what was committed by then; where the clock jumped back, order decides", async () => {
    const platform = simulatePlatform({ seed: 2 })
    const store = await untilSettled(platform, open("/data", { platform }))
    const table = store.table<string>("t")
    const put = async (text: string): Promise<number> => {
      await untilSettled(platform, table.put("k", text))
      return platform.clock.wallMs()
    }
    const first = await put("first")
    platform.clock.advance(5000)
    const second = await put("second")
    platform.clock.jumpWall(-60_000)
    platform.clock.advance(1000)
    await put("third, by a clock that had jumped back")
    platform.clock.jumpWall(120_000)
    const last = await put("last")
    const at = async (timeMs: number): Promise<unknown> => (await contentAt(platform, new Date(timeMs))).get("k")
    expect(await at(first - 1)).toBeUndefined()
    expect(await at(first)).toBe("first")
    expect(await at(second - 1)).toBe("first")
    expect(await at(second)).toBe("third, by a clock that had jumped back")
    expect(await at(last)).toBe("last")
    expect(await at(last + 1e6)).toBe("last")
    await untilSettled(platform, store.close())
  })

  test("by time, where the clock was set back before the only checkpoint: what the log begins with was not made yet", async () => {
    const platform = simulatePlatform({ seed: 6 })
    const done = <T>(work: Promise<T>): Promise<T> => untilSettled(platform, work)
    const keep = { checkpoints: 1 }
    const store = await done(open("/data", { platform, segmentBytes: 4096, checkpoint: false, keep }))
    const table = store.table("t")
    for (let n = 0; n < 60; n++) await done(table.put(`k${n}`, "v".repeat(200)))
    const made = platform.clock.wallMs()
    platform.clock.jumpWall(-7_200_000)
    await done(store.checkpoint())
    const { fileSystem, checksum } = platform
    const firstLsn = (await done(readManifest(fileSystem, "/data", checksum))).manifest?.firstLsn ?? 0
    expect(firstLsn).toBeGreaterThan(1)
    await expect(contentAt(platform, new Date(made - 3_600_000))).rejects.toMatchObject({
      _tag: "HistoryExpired",
      lsn: firstLsn - 1,
      oldest: 61,
    })
    expect((await contentAt(platform, new Date(made))).size).toBe(60)
    await done(store.close())
  })

  test("outside of what is kept is refused with the oldest that is there", async () => {
    const platform = simulatePlatform({ seed: 3 })
    const store = await untilSettled(
      platform,
      open("/data", { platform, segmentBytes: 4096, keep: { checkpoints: 2 } }),
    )
    const states = await history(store, platform, 400)
    const refusal: unknown = await contentAt(platform, 3).catch((error: unknown) => error)
    expect(refusal).toBeInstanceOf(HistoryExpired)
    const { oldest } = refusal as HistoryExpired
    expect(oldest).toBeGreaterThan(3)
    for (const [lsn, content] of states) {
      if (lsn >= oldest) expect(await contentAt(platform, lsn), `at ${lsn}`).toEqual(content)
    }
    await expect(contentAt(platform, oldest - 1)).rejects.toThrow(HistoryExpired)
    // Who asked for a time is told of it, and not of a place in the log.
    const early = open("/data", { platform, readOnly: true, at: "2001-01-01T00:00Z" })
    await expect(untilSettled(platform, early)).rejects.toThrow(
      `the state of 2001-01-01T00:00:00.000Z is gone; the oldest still there is that at LSN ${oldest}`,
    )
    await untilSettled(platform, store.close())
  })

  test("changes nothing in the directory, and needs no right to", async () => {
    const store = await temporaryStore()
    const table = store.table("t")
    for (let n = 0; n < 20; n++) await table.put(`k${n}`, { n })
    await store.checkpoint()
    await store.close()
    const files = async (): Promise<Map<string, string>> =>
      new Map(
        await Promise.all(
          (await readdir(store.path)).map(
            async (name) => [name, await readFile(join(store.path, name), "base64")] as const,
          ),
        ),
      )
    const before = await files()
    const past = await open(store.path, { readOnly: true })
    expect(past.table("t").size).toBe(20)
    expect(past.tables()).toEqual(["t"])
    expect(past.table("absent").get("x")).toBeUndefined()
    expect("put" in past.table("t")).toBe(false)
    await past.close()
    expect(() => past.table("t")).toThrow("closed")
    expect(await files()).toEqual(before)
  })

  test("says damage, not age, where what it would be read from is damaged", async () => {
    const platform = simulatePlatform({ seed: 4 })
    const store = await untilSettled(
      platform,
      open("/data", { platform, segmentBytes: 4096, checkpoint: false, keep: { checkpoints: 2 } }),
    )
    await history(store, platform, 160)
    await untilSettled(platform, store.close())
    const disk = platform.fileSystem
    const [older = "", newer = ""] = [...disk.files().keys()].filter((name) => name.includes("/checkpoint-")).sort()
    const damage = (file: string): object => ({ code: "ORRERY_CORRUPTION", file: file.slice("/data/".length) })
    disk.flipBit(older, 100, 0)
    disk.flipBit(newer, 100, 0)
    await expect(contentAt(platform, 161)).rejects.toMatchObject(damage(newer))
    // The head of the one, and a block of the other.
    disk.flipBit(newer, 100, 0)
    disk.flipBit(newer, 10, 0)
    await expect(contentAt(platform, 161)).rejects.toMatchObject(damage(newer))
    disk.flipBit(older, 100, 0)
    disk.flipBit(older, 10, 0)
    await expect(contentAt(platform, 161)).rejects.toThrow(Corruption)
    const newest = untilSettled(platform, open("/data", { readOnly: true, platform }))
    await expect(newest).rejects.toMatchObject(damage(newer))
    disk.flipBit(older, 10, 0)
    expect((await contentAt(platform, 161)).size).toBeGreaterThan(0)
    await untilSettled(platform, disk.unlink(newer))
    await untilSettled(platform, disk.unlink(older))
    await expect(contentAt(platform, 161)).rejects.toThrow("no checkpoint reaches so far")
  })

  test("refuses what is not there: no store, a commit not made yet, a moment that is none", async () => {
    const store = await temporaryStore()
    await store.table("t").put("k", 1)
    await expect(open(store.path, { readOnly: true, at: 1e6 })).rejects.toThrow(CannotOpen)
    await expect(open(join(await temporaryDirectory(), "absent"), { readOnly: true })).rejects.toThrow(CannotOpen)
    await expect(open(store.path, { readOnly: true, at: "yesterday evening" })).rejects.toThrow(TypeError)
    await expect(open(store.path, { readOnly: true, at: -1 })).rejects.toThrow(TypeError)
    await expect(open(store.path, { at: 3 } as never)).rejects.toThrow(TypeError)
  })
})
