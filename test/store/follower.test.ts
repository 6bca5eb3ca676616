// A follower: another reader of a store that somebody writes. Its state is a prefix of the log, its changes have no gap
// and no duplicate, and the owner does not notice it.

import { fork } from "node:child_process"
import { once } from "node:events"
import { join } from "node:path"
import { createInterface } from "node:readline"
import type { Readable } from "node:stream"
import { describe, expect, onTestFinished, test } from "vitest"
import { CursorExpired, open } from "../../src/index.ts"
import type { FollowingStore } from "../../src/index.ts"
import { programPath } from "../programs.ts"
import { temporaryDirectory, temporaryStore } from "./temporary-store.ts"

async function following(path: string, whenBehind: "restart" | "fail" = "restart"): Promise<FollowingStore> {
  const follower = await open(path, { readOnly: true, follow: true, lookMs: 2, whenBehind })
  onTestFinished(() => follower.close())
  return follower
}

/** Resolves when the follower has come to the end of the log once more: its first look goes on behind `open`. */
async function standing(follower: FollowingStore): Promise<void> {
  const sinceMs = performance.now()
  follower.lookNow()
  await expect.poll(() => performance.now() - follower.metrics().lagMs).toBeGreaterThan(sinceMs)
}

describe("a follower", () => {
  test("has what was there, and gets what comes, over rotations, checkpoints and a new owner", async () => {
    const store = await temporaryStore({ segmentBytes: 4096, checkpoint: { logBytes: 20_000 } })
    const table = store.table<number>("t")
    await table.putMany(Array.from({ length: 100 }, (_, n) => [`k${n}`, n] as const))
    const follower = await following(store.path)
    expect(follower.table("t").size).toBe(100)
    const expected = new Map(Array.from({ length: 100 }, (_, n) => [`k${n}`, n]))
    let owner = store
    let last = 0
    for (let n = 0; n < 600; n++) {
      if (n === 300) {
        await owner.close()
        owner = await open(store.path, { segmentBytes: 4096 })
      }
      const key = `k${(n * 13) % 150}`
      const part = owner.table<number>(n % 50 === 0 ? "u" : "t")
      if (n % 7 === 0) last = (await part.delete(key)).lsn
      else last = (await part.put(key, n)).lsn
      if (part.name === "t") {
        if (n % 7 === 0) expected.delete(key)
        else expected.set(key, n)
      }
    }
    await follower.whenAt(last)
    expect(follower.lsn).toBe(last)
    expect(new Map(follower.table("t").entries())).toEqual(expected)
    expect(follower.tables()).toEqual(["t", "u"])
    expect(follower.metrics().restarts).toBe(0)
    await owner.close()
  })

  test("tells every commit once and in order, from a position or from now on", async () => {
    const store = await temporaryStore({ segmentBytes: 4096 })
    const table = store.table<number>("t")
    for (let n = 0; n < 50; n++) await table.put("early", n)
    const follower = await following(store.path)
    const seen: number[] = []
    const values: unknown[] = []
    const reading = (async () => {
      for await (const commit of follower.changes({ after: 0, table: "t" })) {
        seen.push(commit.lsn)
        for (const change of commit.changes) values.push(change.value)
        if (values.at(-1) === "end") return
      }
    })()
    const lsns: number[] = []
    for (let n = 50; n < 400; n++) lsns.push((await table.put("k", n)).lsn)
    await store.table("t").put("k", "end")
    await reading
    expect(values).toEqual([...Array.from({ length: 400 }, (_, n) => n), "end"])
    expect(seen).toEqual(seen.toSorted((left, right) => left - right))
    expect(new Set(seen).size).toBe(seen.length)
    expect(seen).toEqual(expect.arrayContaining(lsns))
  })

  test("that is left behind starts again from the newest checkpoint, or ends, as asked", async () => {
    const store = await temporaryStore({ segmentBytes: 4096, keep: { checkpoints: 1 } })
    const table = store.table<string>("t")
    await table.put("k", "first")
    const restarting = await open(store.path, { readOnly: true, follow: true, lookMs: 60_000 })
    const failing = await open(store.path, { readOnly: true, follow: true, lookMs: 60_000, whenBehind: "fail" })
    onTestFinished(() => Promise.all([restarting.close(), failing.close()]).then(() => undefined))
    await Promise.all([standing(restarting), standing(failing)])
    // They will look again in a minute: in the meantime the log goes.
    for (let n = 0; n < 100; n++) await table.put("k", `${n}`.padEnd(300))
    await store.checkpoint()
    const { lsn } = await table.put("k", "last")
    const late = await following(store.path)
    await late.whenAt(lsn)
    expect(late.table("t").get("k")).toBe("last")
    restarting.lookNow()
    await restarting.whenAt(lsn)
    expect(restarting.table("t").get("k")).toBe("last")
    expect(restarting.metrics().restarts).toBe(1)
    failing.lookNow()
    await expect(failing.whenAt(lsn)).rejects.toThrow(CursorExpired)
    expect(() => failing.table("t")).toThrow(CursorExpired)
  })

  test("refuses work after it was closed, and gives waiting back", async () => {
    const store = await temporaryStore()
    await store.table("t").put("k", 1)
    const follower = await following(store.path)
    const waiting = follower.whenAt(1e9)
    const table = follower.table("t")
    const ending = expect(waiting).rejects.toThrow("closed")
    await follower.close()
    await ending
    expect(() => table.get("k")).toThrow("closed")
    expect(() => follower.changes()).toThrow("closed")
    await expect(follower.whenAt(0)).rejects.toThrow("closed")
    const aborted = await following(store.path)
    await expect(aborted.whenAt(1e9, { signal: AbortSignal.timeout(1) })).rejects.toThrow()
  })

  test("of an owner in another process that is killed again and again sees each acknowledged write", async () => {
    const path = join(await temporaryDirectory(), "store")
    await (await open(path)).close()
    const follower = await following(path)
    const writer = programPath("test/processes/kill-9-writer.ts")
    let start = 0
    for (let cycle = 0; cycle < 4; cycle++) {
      const child = fork(writer, [path, String(start), "synced"], { execArgv: [], silent: true })
      const exited = once(child, "exit")
      const acknowledged = new Set<number>()
      await new Promise<void>((resolve, reject) => {
        createInterface({ input: child.stdout as Readable }).on("line", (line) => {
          const [, n] = /^acknowledged (\d+)$/.exec(line) ?? []
          if (n !== undefined) acknowledged.add(Number(n))
          if (acknowledged.size >= 200) resolve()
        })
        child.on("exit", (code) => reject(new Error(`the writer ended by itself with ${code}`)))
      })
      child.kill("SIGKILL")
      await exited
      // Whatever it has acknowledged is in the files: the follower finds it without a new owner.
      const numbers = follower.table<{ n: number }>("numbers")
      while ([...acknowledged].some((n) => numbers.get(String(n))?.n !== n)) {
        await new Promise((resolve) => setTimeout(resolve, 5))
      }
      start += 100_000
    }
    expect(follower.metrics().commits).toBeGreaterThan(600)
  })
})
