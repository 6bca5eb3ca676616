// The audit log: what is written into it, in which order, how large it gets, and that no failure of it is one of the store.

import { readFile, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { describe, expect, test } from "vitest"
import { open } from "../../src/index.ts"
import type { OpenOptions, Store, StoreEvent } from "../../src/index.ts"
import { AUDIT_SIZE_MAX, appendAudit, appendLines, readAudit } from "../../src/recovery/audit-file.ts"
import type { AuditEntry } from "../../src/recovery/audit-file.ts"
import { salvageStore } from "../../src/recovery/salvage.ts"
import { verifyStore } from "../../src/recovery/verify.ts"
import { nodePlatform } from "../../src/platform/node/node-platform.ts"
import { crashStates } from "../../src/simulation/crash-states.ts"
import { SimulatedDisk } from "../../src/simulation/simulated-disk.ts"
import { simulatePlatform } from "../../src/simulation/simulated-platform.ts"
import type { SimulatedPlatform } from "../../src/simulation/simulated-platform.ts"
import { AuditLog } from "../../src/store/audit-log.ts"
import { untilSettled } from "../property/store-history.ts"
import { temporaryDirectory } from "./temporary-store.ts"

const AUDIT = "/data/audit.log"

async function simulatedStore(options: OpenOptions = {}): Promise<{ store: Store; platform: SimulatedPlatform }> {
  const platform = simulatePlatform({ seed: 1, disk: new SimulatedDisk({ seed: 1 }) })
  const store = await untilSettled(platform, open("/data", { platform, segmentBytes: 4096, shards: 2, ...options }))
  return { store, platform }
}

/** Lets what waits to be written be written. */
async function gathered(platform: SimulatedPlatform): Promise<void> {
  platform.clock.advance(250)
  await untilSettled(platform, new Promise((resolve) => platform.clock.after(500, () => resolve(undefined))))
}

function textIn(platform: SimulatedPlatform, path: string = AUDIT): string {
  return Buffer.from(platform.fileSystem.files().get(path) ?? []).toString()
}

async function entriesIn(platform: SimulatedPlatform): Promise<readonly AuditEntry[]> {
  const { entries, brokenLines } = await readAudit(platform.fileSystem, "/data")
  expect(brokenLines).toBe(0)
  return entries
}

const kindsOf = (entries: readonly AuditEntry[]): readonly string[] => entries.map(({ kind }) => kind)

describe("what is written", () => {
  test("one line for each turn in the store's life, in order, with time, owner and the facts", async () => {
    const { store, platform } = await simulatedStore()
    await untilSettled(platform, store.table("users").put("ada", 1))
    const made = await untilSettled(platform, store.checkpoint())
    const backup = await untilSettled(platform, store.backup("/backup"))
    await untilSettled(platform, store.killActor("store/shards/shard-1", new Error("killed by the test")))
    await untilSettled(platform, store.ready())
    await untilSettled(platform, store.close())
    const entries = await entriesIn(platform)
    expect(kindsOf(entries)).toEqual(["recovered", "opened", "checkpointed", "backed-up", "restarted", "closed"])
    for (const { time, owner } of entries) {
      expect(new Date(time).toISOString()).toBe(time)
      expect(owner).toBe("simulation 1")
    }
    const { lsn, records, sizeBytes, returnedBytes, oldestLsn } = made ?? {}
    expect(entries[0]).toMatchObject({ foundStore: false, cutBytes: 0, lastLsn: 0 })
    expect(entries[2]).toMatchObject({ number: 1, lsn, records, sizeBytes, returnedBytes, oldestLsn })
    expect(entries[3]).toMatchObject({ path: "/backup", lsn: backup.lsn, records: 1 })
    expect(entries[4]).toMatchObject({ actor: "store/shards/shard-1", restarts: 1 })
    expect(Object.keys(entries[5] ?? {})).toEqual(["time", "kind", "owner"])
    expect(textIn(platform).split("\n").at(0)).toMatch(
      /^\{"time":"2026-01-01T[0-9:.]{12}Z","kind":"recovered","owner":/,
    )
  })

  test("a disk that fails: recovering with its reason, the recovery, and open again", async () => {
    const { store, platform } = await simulatedStore()
    await untilSettled(platform, store.table("t").put("a", 1))
    const disk = platform.fileSystem
    disk.faults.add({ operation: disk.operations.length + 1, error: "EIO", when: "dropping-dirty-pages" })
    await expect(untilSettled(platform, store.table("t").put("b", 1))).rejects.toThrow()
    await untilSettled(platform, store.ready())
    await untilSettled(platform, store.close())
    const entries = await entriesIn(platform)
    const states = entries.filter(({ kind }) => kind === "status")
    expect(states).toMatchObject([
      { state: "recovering", code: "ORRERY_LOG_UNAVAILABLE", summary: expect.any(String) },
      { state: "open" },
    ])
    expect(kindsOf(entries).filter((kind) => kind === "recovered")).toHaveLength(2)
  })

  test("a disk that is full: read-only, and open again, told once there is room", async () => {
    const { store, platform } = await simulatedStore()
    const disk = platform.fileSystem
    await gathered(platform)
    const sizes = [...disk.files().values()].map((bytes) => Math.ceil(bytes.length / 4096) * 4096)
    disk.capacityBytes = sizes.reduce((sum, size) => sum + size, 0)
    for (let n = 0; n < 60 && store.status.state !== "read-only"; n++) {
      const put = store.table("t").put(`k${n}`, "p".repeat(500))
      await untilSettled(platform, put).catch(() => undefined)
      await untilSettled(platform, store.ready())
    }
    expect(store.status.state).toBe("read-only")
    disk.capacityBytes = undefined
    platform.clock.advance(20_000)
    await untilSettled(
      platform,
      store
        .table("t")
        .put("again", 1, { durability: "synced" })
        .catch(() => undefined),
    )
    await untilSettled(platform, store.ready())
    await untilSettled(platform, store.close())
    const states = (await entriesIn(platform)).filter(({ kind }) => kind === "status")
    expect(states).toContainEqual(expect.objectContaining({ state: "read-only", code: "ORRERY_STORAGE_FAILED" }))
    expect(states.at(-1)).toMatchObject({ state: "open" })
  })

  test("a failed checkpoint is told with the error's code and summary", async () => {
    const { store, platform } = await simulatedStore({ checkpoint: { commits: 3 } })
    const disk = platform.fileSystem
    for (let n = 0; n < 2; n++) await untilSettled(platform, store.table("t").put(`k${n}`, n))
    await gathered(platform)
    disk.faults.add({ operation: disk.operations.length + 1, through: Infinity, error: "EIO", only: ["rename"] })
    for (let n = 0; n < 9; n++) await untilSettled(platform, store.table("t").put(`l${n}`, n))
    for (let round = 0; round < 40 && store.metrics().checkpoint.failures === 0; round++) await gathered(platform)
    disk.faults.clear()
    await untilSettled(platform, store.close())
    const failed = (await entriesIn(platform)).find(({ kind }) => kind === "checkpoint-failed")
    expect(failed).toMatchObject({ code: "ORRERY_STORAGE_FAILED", retryMs: expect.any(Number) })
    expect(failed?.["summary"]).toContain("EIO")
  })

  test("a store that gives up says why in its last line", async () => {
    const { store, platform } = await simulatedStore()
    for (let n = 0; n < 40 && store.status.state !== "closed"; n++) {
      await untilSettled(platform, store.killActor("store/shards/shard-0", new Error("again")))
      await new Promise((resolve) => setImmediate(resolve))
    }
    await untilSettled(platform, store.close())
    const last = (await entriesIn(platform)).at(-1)
    expect(last).toMatchObject({ kind: "closed", code: "ORRERY_ESCALATED" })
    expect(last?.["summary"]).toContain("restarted too often")
  })

  test("an open that is torn says what was cut; the entries of the owner before stay", async () => {
    const { store, platform } = await simulatedStore()
    await untilSettled(platform, store.table("t").put("a", 1))
    await gathered(platform)
    const after = simulatePlatform({ seed: 2, disk: platform.fileSystem.crash("kill") })
    const again = await untilSettled(after, open("/data", { platform: after, segmentBytes: 4096 }))
    await untilSettled(after, again.close())
    const entries = await entriesIn(after)
    expect(kindsOf(entries)).toEqual(["recovered", "opened", "recovered", "opened", "closed"])
    expect(entries[2]).toMatchObject({ foundStore: true, wasSealed: false, lastLsn: 2 })
    expect(entries.map(({ owner }) => owner)).toEqual([1, 1, 2, 2, 2].map((seed) => `simulation ${seed}`))
  })

  test("no key, no value and no table's name, whatever happens", async () => {
    const { store, platform } = await simulatedStore()
    const secret = "hunter2"
    const table = store.table(`table ${secret}`)
    await untilSettled(platform, table.put(`key ${secret}`, { [secret]: secret }))
    await expect(table.put("f", () => secret)).rejects.toThrow()
    await untilSettled(platform, store.checkpoint())
    await untilSettled(platform, store.killActor("store/shards/shard-0", new Error(secret)))
    await untilSettled(platform, store.ready())
    await untilSettled(platform, store.backup("/backup"))
    await untilSettled(platform, store.close())
    expect(kindsOf(await entriesIn(platform))).toContain("restarted")
    expect(textIn(platform)).not.toContain(secret)
  })

  test("an error that is not the store's own is told by its name alone", async () => {
    const platform = simulatePlatform({ seed: 1 })
    await platform.fileSystem.makeDirectory("/data")
    const audit = new AuditLog(platform, "/data", () => undefined)
    audit.begin()
    audit.note({ kind: "checkpoint-failed", error: new RangeError("hunter2"), retryMs: 5, timeMs: 0 })
    await gathered(platform)
    expect(textIn(platform)).toBe(
      '{"time":"1970-01-01T00:00:00.000Z","kind":"checkpoint-failed","owner":"simulation 1","error":"RangeError","retryMs":5}\n',
    )
  })

  test("an alert is told with its rule, its severity and its numbers", async () => {
    const { store, platform } = await simulatedStore({
      checkpoint: false,
      alerts: { logWarningBytes: 500, logCriticalBytes: 100_000_000 },
    })
    for (let n = 0; n < 5; n++) await untilSettled(platform, store.table("t").put(`k${n}`, "p".repeat(500)))
    for (let round = 0; round < 20 && store.alerts().length === 0; round++) await gathered(platform)
    const [alert] = store.alerts()
    await untilSettled(platform, store.close())
    const raised = (await entriesIn(platform)).find(({ kind }) => kind === "alert-raised")
    expect(raised).toMatchObject({ rule: "log", severity: "warning", summary: alert?.summary, threshold: 500 })
  })

  test("salvage says in the new store where it came from", async () => {
    const { store, platform } = await simulatedStore()
    await untilSettled(platform, store.table("t").put("a", 1))
    await untilSettled(platform, store.close())
    await untilSettled(platform, salvageStore(platform, "/data", "/saved"))
    const { entries } = await readAudit(platform.fileSystem, "/saved")
    expect(entries).toMatchObject([{ kind: "salvaged", from: "/data", records: 1, tables: 1, lostRangeCount: 0 }])
  })

  test("nothing with audit: false, and nothing for a directory that is refused", async () => {
    const { store, platform } = await simulatedStore({ audit: false })
    await untilSettled(platform, store.close())
    expect(platform.fileSystem.files().has(AUDIT)).toBe(false)
    const disk = platform.fileSystem
    const file = await disk.open("/data/wal-0000000001", "write")
    await file.write(new Uint8Array(64).fill(7), 0)
    await file.close()
    await expect(untilSettled(platform, open("/data", { platform }))).rejects.toThrow()
    expect(disk.files().has(AUDIT)).toBe(false)
    await expect(open("/data", { platform, audit: "no" as unknown as boolean })).rejects.toThrow(TypeError)
  })
})

describe("the file", () => {
  test("is the store's own: it is no store by itself, verify passes over it, a backup does not have it", async () => {
    const path = join(await temporaryDirectory(), "store")
    const store = await open(path)
    await store.table("t").put("a", 1)
    const backup = join(await temporaryDirectory(), "backup")
    await store.backup(backup)
    await store.close()
    expect((await verifyStore(nodePlatform, path)).verdict).toBe("good")
    await expect(readFile(join(backup, "audit.log"))).rejects.toMatchObject({ code: "ENOENT" })
    const lone = await temporaryDirectory()
    await writeFile(join(lone, "audit.log"), await readFile(join(path, "audit.log")))
    await expect(verifyStore(nodePlatform, lone)).rejects.toMatchObject({ code: "ORRERY_CANNOT_OPEN" })
    await expect(open(lone, { create: false })).rejects.toMatchObject({ code: "ORRERY_CANNOT_OPEN" })
    await (await open(lone)).close()
    const { entries } = await readAudit(nodePlatform.fileSystem, lone)
    expect(kindsOf(entries).slice(-3)).toEqual(["recovered", "opened", "closed"])
  })

  test("that reaches its bound becomes the one before, which goes; neither is ever larger", async () => {
    const platform = simulatePlatform({ seed: 1 })
    const { fileSystem } = platform
    await fileSystem.makeDirectory("/data")
    const filler = `${JSON.stringify({ time: "t", kind: "k", owner: "o", pad: "p".repeat(100_000) })}\n`
    for (let n = 0; n < 25; n++) {
      await appendLines(fileSystem, "/data", filler.replace('"k"', `"${n}"`), false)
      for (const bytes of fileSystem.files().values()) expect(bytes.length).toBeLessThanOrEqual(AUDIT_SIZE_MAX)
    }
    expect([...fileSystem.files().keys()]).toEqual(["/data/audit.1.log", "/data/audit.log"])
    expect(kindsOf(await entriesIn(platform))).toEqual(Array.from({ length: 15 }, (_, n) => String(n + 10)))
  })

  test("a torn last line stays, and the next begins on a line of its own", async () => {
    const platform = simulatePlatform({ seed: 1 })
    await platform.fileSystem.makeDirectory("/data")
    const torn = await platform.fileSystem.open(AUDIT, "create")
    await torn.write(Buffer.from('{"time":"2026-01-01T00'), 0)
    await torn.close()
    expect(await appendAudit(platform, "/data", "restored", { from: "/backup", owner: "forged" })).toBe(true)
    expect(textIn(platform).split("\n")[0]).toBe('{"time":"2026-01-01T00')
    const { entries, brokenLines } = await readAudit(platform.fileSystem, "/data")
    expect(entries).toMatchObject([{ kind: "restored", from: "/backup", owner: "simulation 1" }])
    expect(brokenLines).toBe(1)
  })

  test("long texts and long lists are cut, so that a line is bounded", async () => {
    const platform = simulatePlatform({ seed: 1 })
    await platform.fileSystem.makeDirectory("/data")
    const warnings = Array.from({ length: 1_000 }, () => "w".repeat(100_000))
    await appendAudit(platform, "/data", "recovered", { summary: "s".repeat(1_000_000), warnings })
    expect(textIn(platform).length).toBeLessThan(2_500)
    expect(await entriesIn(platform)).toHaveLength(1)
  })

  test("after any crash every line that was synced is there, and what is not a line is passed over", async () => {
    const platform = simulatePlatform({ seed: 1, disk: new SimulatedDisk({ seed: 1, keepsTrace: true }) })
    const store = await untilSettled(platform, open("/data", { platform, segmentBytes: 4096, shards: 1 }))
    await gathered(platform)
    await untilSettled(platform, store.table("t").put("a", 1))
    await untilSettled(platform, store.checkpoint())
    await gathered(platform)
    const openedAt = syncsOf(platform)[0] as number
    await untilSettled(platform, store.close())
    const all = textIn(platform).split("\n")
    let states = 0
    let torn = 0
    for (const state of crashStates(platform.fileSystem.trace(), { seed: 1, limit: 400 })) {
      states++
      const disk = state.mount()
      const { entries, brokenLines } = await readAudit(disk, "/data")
      if (brokenLines > 0) torn++
      for (const entry of entries) expect(all, state.describe()).toContain(JSON.stringify(entry))
      // The name of the file itself may be lost: nobody syncs the directory for it.
      if (state.afterOperation < openedAt || !disk.files().has(AUDIT)) continue
      expect(kindsOf(entries).slice(0, 2), state.describe()).toEqual(["recovered", "opened"])
    }
    expect(states).toBeGreaterThan(100)
    expect(torn).toBeGreaterThan(0)
  })
})

/** The numbers of operations that synced the audit log. */
function syncsOf(platform: SimulatedPlatform): readonly number[] {
  return platform.fileSystem.operations
    .filter(({ name, path }) => name === "dataSync" && path === AUDIT)
    .map(({ serial }) => serial)
}

describe("a failure of it", () => {
  test.each(["ENOSPC", "EIO", "EACCES"])(
    "with %s harms nothing, is told once, and ends with a line that counts",
    async (error) => {
      const { store, platform } = await simulatedStore()
      await gathered(platform)
      const failures: StoreEvent[] = []
      store.events().subscribe((event) => void (event.kind === "audit-failed" && failures.push(event)))
      const disk = platform.fileSystem
      const open = disk.open.bind(disk)
      let isBroken = true
      disk.open = (path, mode) =>
        isBroken && path === AUDIT ? Promise.reject(Object.assign(new Error(error), { code: error })) : open(path, mode)
      for (let n = 0; n < 3; n++) {
        await untilSettled(platform, store.table("t").put("a", n))
        await untilSettled(platform, store.checkpoint())
        await gathered(platform)
      }
      expect(failures).toMatchObject([{ kind: "audit-failed", error: { code: error } }])
      expect(store.status.state).toBe("open")
      isBroken = false
      await untilSettled(platform, store.table("t").put("a", 4))
      await untilSettled(platform, store.checkpoint())
      await gathered(platform)
      await untilSettled(platform, store.close())
      const entries = await entriesIn(platform)
      const tail = ["checkpointed", "checkpointed", "checkpointed", "checkpointed", "closed"]
      expect(kindsOf(entries)).toEqual(["recovered", "opened", ...tail])
      expect(entries.map((entry) => entry["failures"] ?? 0)).toEqual([0, 0, 3, 0, 0, 0, 0])
    },
  )

  test("in the middle of a line leaves no half of it", async () => {
    const { store, platform } = await simulatedStore()
    await gathered(platform)
    const before = textIn(platform)
    const disk = platform.fileSystem
    await untilSettled(platform, store.table("t").put("a", 1))
    await untilSettled(platform, store.checkpoint())
    const files = disk.files()
    const used = [...files.values()].reduce((sum, bytes) => sum + Math.ceil(bytes.length / 4096) * 4096, 0)
    disk.capacityBytes = used
    disk.faults.add({
      operation: disk.operations.length + 1,
      through: Infinity,
      error: "EIO",
      when: "after-part",
      only: ["write"],
    })
    await gathered(platform)
    expect(textIn(platform)).toBe(before)
    disk.faults.clear()
    disk.capacityBytes = undefined
    await untilSettled(platform, store.close())
    expect(kindsOf(await entriesIn(platform))).toEqual(["recovered", "opened", "checkpointed", "closed"])
  })

  test("that lasts drops what the queue does not hold, and says how many", async () => {
    const platform = simulatePlatform({ seed: 1 })
    const audit = new AuditLog(platform, "/data", () => undefined)
    const restarted = (restarts: number): void =>
      audit.note({ kind: "restarted", actor: "store/x", restarts, timeMs: restarts })
    for (let n = 1; n <= 1_234; n++) restarted(n)
    // Without the directory nothing can be written.
    audit.begin()
    await gathered(platform)
    await platform.fileSystem.makeDirectory("/data")
    const lock = audit.guard({ release: () => Promise.resolve() }, () => undefined)
    await untilSettled(platform, lock.release())
    await untilSettled(platform, lock.release())
    const entries = await entriesIn(platform)
    expect(entries).toHaveLength(1_001)
    expect(entries.at(0)).toMatchObject({ restarts: 1, failures: 1 })
    expect(entries.at(-2)).toMatchObject({ restarts: 1_000 })
    expect(entries.at(-1)).toMatchObject({ kind: "closed", dropped: 234 })
  })

  test("that never ends does not keep a store from being closed", async () => {
    const { store, platform } = await simulatedStore()
    const disk = platform.fileSystem
    const open = disk.open.bind(disk)
    disk.open = (path, mode) => (path === AUDIT ? new Promise(() => undefined) : open(path, mode))
    await untilSettled(platform, store.close())
    expect(store.status.state).toBe("closed")
    const again = await untilSettled(platform, openAgain(platform))
    disk.open = open
    await untilSettled(platform, again.close())
  })
})

function openAgain(platform: SimulatedPlatform): Promise<Store> {
  return open("/data", { platform, segmentBytes: 4096, shards: 2 })
}
