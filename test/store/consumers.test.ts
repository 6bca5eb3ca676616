// Named consumers: what they see, what they do when a handler fails, and how they are led.

import { runInNewContext } from "node:vm"
import { describe, expect, test } from "vitest"
import { ConsumerFailed, ConsumerRunning, ConsumerUnknown } from "../../src/index.ts"
import type { Commit, Consumer, Store, Transaction } from "../../src/index.ts"
import { ConsumerScene } from "./consumer-scene.ts"

/** Numbers of "in" counted in "out", by key. */
function counting(store: Store): (commit: Commit<number>, tx: Transaction) => void {
  const out = store.table<number>("out")
  return (commit, tx) => {
    for (const { table, key } of commit.changes) {
      if (table === "in") tx.update(out, key, (count) => (count ?? 0) + 1)
    }
  }
}

function contentOf(store: Store, table: string): Record<string, unknown> {
  return Object.fromEntries([...store.table(table).entries()].sort(([left], [right]) => (left < right ? -1 : 1)))
}

describe("a consumer", () => {
  test("processes every commit once, from where it was told to begin, and goes on from there after a restart", async () => {
    const scene = await ConsumerScene.open()
    const { store } = scene
    await scene.done(store.table<number>("in").put("a", 1))
    store.consume("late", counting(store), { table: "in" })
    const early = store.consume(
      "early",
      (commit, tx) => tx.put(store.table("seen"), String(commit.lsn), commit.changes.length),
      {
        table: "in",
        from: "beginning",
      },
    )
    await scene.done(
      store.table<number>("in").putMany([
        ["b", 2],
        ["c", 3],
      ]),
    )
    await scene.idle()
    expect(contentOf(store, "out")).toEqual({ b: 1, c: 1 })
    expect(Object.values(contentOf(store, "seen"))).toEqual([1, 2])
    expect(early).toMatchObject({ name: "early", state: "running", lag: 0, error: undefined })

    const again = await scene.reopened()
    expect(again.store.consumers()).toMatchObject([
      { name: "early", state: "stopped" },
      { name: "late", state: "stopped" },
    ])
    await again.done(again.store.table<number>("in").put("d", 4))
    again.store.consume("late", counting(again.store), { table: "in", from: "beginning" })
    await again.until(() => again.store.table("out").has("d"))
    expect(contentOf(again.store, "out")).toEqual({ b: 1, c: 1, d: 1 })
  })

  test("sees only the table and the prefix that it asked for", async () => {
    const scene = await ConsumerScene.open()
    const { store } = scene
    const seen: string[] = []
    store.consume("some", (commit) => void seen.push(...commit.changes.map(({ key }) => key)), {
      table: store.table<number>("in"),
      prefix: "x",
    })
    await scene.done(store.table("other").put("x0", 0))
    await scene.done(
      store.table("in").putMany([
        ["x1", 1],
        ["y2", 2],
        ["x3", 3],
      ]),
    )
    await scene.idle()
    expect(seen).toEqual(["x1", "x3"])
  })

  test("with batch gets lists of what is there, one transaction each", async () => {
    const scene = await ConsumerScene.open()
    const { store } = scene
    const table = store.table<number>("in")
    for (let n = 0; n < 25; n++) await scene.done(table.put(`k${n}`, n))
    const sizes: number[] = []
    const out = store.table<number>("out")
    store.consume<number>(
      "lists",
      (commits, tx) => {
        sizes.push(commits.length)
        for (const { changes } of commits) for (const { key, value } of changes) tx.put(out, key, value ?? -1)
      },
      { table, from: "beginning", batch: { commits: 10 } },
    )
    await scene.idle()
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBe(25)
    expect(Math.max(...sizes)).toBe(10)
    expect(out.size).toBe(25)
  })

  test("with an asynchronous handler conflicts with others, and loses none of their writes", async () => {
    const scene = await ConsumerScene.open()
    const { store } = scene
    const sum = store.table<number>("sum")
    let calls = 0
    store.consume<number>(
      "adder",
      async (commit, tx) => {
        calls++
        const before = tx.get(sum, "all") ?? 0
        await Promise.resolve()
        // Others come first, once for each of the first three commits.
        if (calls <= 3) await sum.increment("all", 100)
        tx.put(sum, "all", before + (commit.changes[0]?.value ?? 0))
      },
      { table: "in" },
    )
    for (let n = 1; n <= 4; n++) await scene.done(store.table<number>("in").put(`k${n}`, n))
    await scene.idle()
    expect(sum.get("all")).toBe(310)
    expect(store.metrics().consumers.retries).toBe(0)
  })

  test("waits for whatever its handler gives that can be awaited, a promise of another realm too", async () => {
    const scene = await ConsumerScene.open()
    const { store } = scene
    const out = store.table<string>("out")
    const Foreign = runInNewContext("Promise") as PromiseConstructor
    expect(Foreign.resolve()).not.toBeInstanceOf(Promise)
    store.consume(
      "late",
      (commit, tx) => {
        tx.put(out, String(commit.lsn), "early")
        return Foreign.resolve().then(() => tx.put(out, String(commit.lsn), "late"))
      },
      { table: "in" },
    )
    await scene.done(store.table("in").put("a", 1))
    await scene.until(() => out.size === 1)
    expect([...out.values()]).toEqual(["late"])
  })

  test("passes over the commits that it made itself, also after a restart and moved back, unless it asks for them", async () => {
    const scene = await ConsumerScene.open()
    const { store } = scene
    const echo =
      (target: Store, seen: string[]) =>
      (commit: Commit, tx: Transaction): void => {
        for (const { table, key } of commit.changes) {
          seen.push(`${table}/${key}`)
          if (table === "in") tx.put(target.table<string>("echo"), key, "heard")
        }
      }
    const first: string[] = []
    store.consume("echo", echo(store, first))
    const nosy: string[] = []
    store.consume("nosy", echo(store, nosy), { own: true, from: "now" })
    await scene.done(store.table("in").put("a", 1))
    await scene.done(store.table("in").put("b", 1))
    await scene.idle()
    const other = [...nosy]
    expect(first.filter((place) => place.startsWith("in/"))).toEqual(["in/a", "in/b"])
    // Of the other one's it sees each.
    expect(first.filter((place) => place.startsWith("echo/"))).toEqual(["echo/a", "echo/b"])
    expect(other.filter((place) => place.startsWith("echo/"))).toHaveLength(4)
    await scene.done(store.removeConsumer("nosy"))

    const again = await scene.reopened()
    const second: string[] = []
    const consumer = again.store.consume("echo", echo(again.store, second))
    await again.idle()
    expect(second).toEqual([])
    await again.done(consumer.rewind("beginning"))
    await again.until(() => second.length >= 4)
    await again.idle()
    expect(second.filter((place) => place.startsWith("in/"))).toEqual(["in/a", "in/b"])
    expect(second.filter((place) => place.startsWith("echo/"))).toEqual(["echo/a", "echo/b"])
  })

  test("is one at a time, by its name", async () => {
    const scene = await ConsumerScene.open()
    const { store } = scene
    const first = store.consume("one", () => undefined)
    expect(() => store.consume("one", () => undefined)).toThrow(ConsumerRunning)
    await scene.done(first.stop())
    await first.done
    expect(first.state).toBe("stopped")
    await using second = store.consume("one", () => undefined)
    await scene.idle()
    expect(second.state).toBe("running")
  })

  test("that somebody else has taken over writes nothing more", async () => {
    const scene = await ConsumerScene.open()
    const { store } = scene
    let release = (): void => undefined
    const gate = new Promise<void>((resolve) => (release = resolve))
    const out = store.table<string>("out")
    let calls = 0
    const slow = store.consume(
      "one",
      async (commit, tx) => {
        calls++
        if (calls === 1) await gate
        tx.put(out, String(commit.lsn), "slow")
      },
      { table: "in" },
    )
    await scene.done(store.table("in").put("a", 1))
    await scene.until(() => calls === 1)
    await scene.done(slow.stop())
    store.consume("one", (commit, tx) => tx.put(out, String(commit.lsn), "next"), { table: "in" })
    release()
    await scene.idle()
    expect([...out.values()]).toEqual(["next"])
  })

  test("refuses options that it does not know, and names that are none", async () => {
    const scene = await ConsumerScene.open()
    const { store } = scene
    const consume = (options: object): unknown => store.consume("c", () => undefined, options)
    expect(() => consume({ bach: 1 })).toThrow('options has no "bach"')
    expect(() => consume({ from: "end" })).toThrow('from must be "beginning", "now" or an LSN')
    expect(() => consume({ batch: {} })).toThrow("batch takes the number of commits")
    expect(() => consume({ batch: { commits: 0 } })).toThrow("batch.commits must be a whole number")
    expect(() => consume({ retry: { attempts: 0 } })).toThrow("retry.attempts must be a whole number")
    expect(() => consume({ table: "orrery:consumers" })).toThrow("the engine's own")
    expect(() => consume({ deadLetter: "" })).toThrow("table's name")
    expect(() => store.consume("", () => undefined)).toThrow("the name of a consumer")
    expect(() => store.consume("x".repeat(201), () => undefined)).toThrow("longer than 200 bytes")
    expect(() => store.consume("c", 1 as never)).toThrow("takes a function")
    expect(store.consumers()).toEqual([])
  })
})

describe("a handler that fails", () => {
  /** Fails at keys that begin with "bad", as long as `isBroken`. */
  function picky(store: Store, isBroken: () => boolean): (commit: Commit, tx: Transaction) => void {
    return (commit, tx) => {
      for (const { key } of commit.changes) {
        tx.put(store.table<string>("out"), key, "done")
        if (key.startsWith("bad") && isBroken()) throw new RangeError(`no ${key}`)
      }
    }
  }

  test("is called again, later and later, and leaves no trace before it succeeds", async () => {
    const scene = await ConsumerScene.open()
    const { store, platform } = scene
    const times: number[] = []
    const consumer = store.consume(
      "flaky",
      (_commit, tx, { attempt }) => {
        times.push(platform.clock.monotonicMs())
        tx.put(store.table("out"), String(attempt), 1)
        if (attempt < 4) throw new Error("not yet")
      },
      { table: "in", retry: { attempts: 5, firstMs: 100, mostMs: 1_000 } },
    )
    await scene.done(store.table("in").put("a", 1))
    await scene.until(() => consumer.state === "retrying")
    expect(String(consumer.error)).toContain("not yet")
    await scene.until(() => times.length === 4)
    await scene.idle()
    expect(contentOf(store, "out")).toEqual({ 4: 1 })
    expect(consumer).toMatchObject({ state: "running", error: undefined })
    const waits = times.slice(1).map((ms, index) => ms - (times[index] ?? 0))
    for (const [index, wait] of waits.entries()) expect(wait).toBeGreaterThanOrEqual(50 * 2 ** index)
    expect(store.metrics().consumers).toMatchObject({ retries: 3, processed: 1, deadLetters: 0 })
  })

  test("gives a commit up after so many attempts, and goes on behind it; the letter can be replayed", async () => {
    const scene = await ConsumerScene.open()
    const { store } = scene
    let isBroken = true
    const consumer = store.consume(
      "picky",
      picky(store, () => isBroken),
      { table: "in", retry: { attempts: 3, firstMs: 1 } },
    )
    const bad = await scene.done(store.table("in").put("bad", { n: 1 }))
    await scene.done(store.table("in").put("good", 2))
    await scene.until(() => store.table("out").has("good"))
    expect(contentOf(store, "out")).toEqual({ good: "done" })
    expect(consumer.deadLetters()).toMatchObject([
      {
        consumer: "picky",
        lsn: bad.lsn,
        attempts: 3,
        error: { name: "RangeError", message: "no bad", code: undefined },
        changes: [{ kind: "put", table: "in", key: "bad", value: { n: 1 } }],
      },
    ])
    expect(scene.events.filter(({ kind }) => kind === "consumer-dead-letter")).toMatchObject([
      { consumer: "picky", lsn: bad.lsn, attempts: 3, error: new RangeError("no bad") },
    ])
    expect(await scene.done(consumer.replay())).toEqual({ replayed: 0, failed: 1 })
    expect(consumer.info.deadLetters).toBe(1)
    isBroken = false
    expect(await scene.done(consumer.replay({ lsn: bad.lsn }))).toEqual({ replayed: 1, failed: 0 })
    expect(contentOf(store, "out")).toEqual({ bad: "done", good: "done" })
    expect(store.consumer("picky").deadLetters()).toEqual([])
    expect(consumer.info.deadLetters).toBe(0)
  })

  test("puts its letters into a table of the user's, where one is named", async () => {
    const scene = await ConsumerScene.open()
    const { store } = scene
    store.consume(
      "picky",
      picky(store, () => true),
      { table: "in", retry: { attempts: 1 }, deadLetter: "letters" },
    )
    await scene.done(store.table("in").put("bad", 1))
    await scene.until(() => store.table("letters").size === 1)
    expect([...store.table("letters").values()]).toMatchObject([{ consumer: "picky", attempts: 1 }])
  })

  test("of a list has its commits tried one by one, and only the bad one is given up", async () => {
    const scene = await ConsumerScene.open()
    const { store } = scene
    for (const key of ["a", "b", "bad", "c"]) await scene.done(store.table("in").put(key, 1))
    const handler = picky(store, () => true)
    const consumer = store.consume("lists", (commits, tx) => commits.forEach((commit) => handler(commit, tx)), {
      table: "in",
      from: "beginning",
      batch: { commits: 100 },
      retry: { attempts: 2, firstMs: 1 },
    })
    await scene.until(() => store.table("out").has("c"))
    expect(Object.keys(contentOf(store, "out"))).toEqual(["a", "b", "c"])
    expect(consumer.deadLetters()).toHaveLength(1)
  })

  test("stands still without dead letters, says so, and goes on when it is told to, over restarts", async () => {
    const scene = await ConsumerScene.open()
    const options = { table: "in", deadLetter: false, retry: { attempts: 2, firstMs: 1 } } as const
    let isBroken = true
    const consumer = scene.store.consume(
      "strict",
      picky(scene.store, () => isBroken),
      options,
    )
    const { lsn } = await scene.done(scene.store.table("in").put("bad", 1))
    await scene.done(scene.store.table("in").put("good", 1))
    await scene.until(() => consumer.state === "failed")
    expect(consumer.error).toBeInstanceOf(ConsumerFailed)
    expect(consumer.error).toMatchObject({ consumer: "strict", lsn, attempts: 2, cause: new RangeError("no bad") })
    expect(scene.events.filter(({ kind }) => kind === "consumer-failed")).toMatchObject([{ consumer: "strict", lsn }])
    expect(scene.store.metrics().consumers.failed).toBe(1)
    expect(await scene.done(scene.store.checkAlerts())).toMatchObject([{ rule: "consumers", value: 1 }])

    const again = await scene.reopened()
    const next = again.store.consume(
      "strict",
      picky(again.store, () => isBroken),
      options,
    )
    await again.until(() => next.state === "failed")
    expect(next.info.error).toContain("no bad")
    expect(contentOf(again.store, "out")).toEqual({})
    isBroken = false
    await again.done(next.resume())
    await again.until(() => again.store.table("out").size === 2)
    expect(next.state).toBe("running")
    expect(await again.done(again.store.checkAlerts())).toEqual([])
  })

  test("keeps count of its attempts over restarts", async () => {
    const scene = await ConsumerScene.open()
    const attempts: number[] = []
    const handler = (_commit: Commit, _tx: Transaction, { attempt }: { attempt: number }): void => {
      attempts.push(attempt)
      throw new Error("no")
    }
    const options = { table: "in", retry: { attempts: 3, firstMs: 60_000, mostMs: 60_000 } } as const
    scene.store.consume("counted", handler, options)
    await scene.done(scene.store.table("in").put("a", 1))
    await scene.until(() => attempts.length === 1)
    await scene.turns(20)
    const again = await scene.reopened()
    again.store.consume("counted", handler, options)
    await again.until(() => attempts.length === 2)
    await again.turns(20)
    const last = await again.reopened()
    const consumer = last.store.consume("counted", handler, options)
    await last.until(() => consumer.deadLetters().length === 1)
    expect(attempts).toEqual([1, 2, 3])
  })
})

describe("leading a consumer", () => {
  test("pause ends what the handler is at without a trace, lasts over restarts, and resume goes on", async () => {
    const scene = await ConsumerScene.open()
    const { store } = scene
    let calls = 0
    const never = new Promise<void>(() => undefined)
    const consumer = store.consume(
      "led",
      async (_commit, tx) => {
        calls++
        tx.put(store.table("out"), "a", calls)
        await never
      },
      { table: "in" },
    )
    await scene.done(store.table("in").put("a", 1))
    await scene.until(() => calls === 1)
    await scene.done(consumer.pause())
    expect(consumer.state).toBe("paused")
    const again = await scene.reopened()
    const next = again.store.consume("led", counting(again.store), { table: "in" })
    await again.until(() => next.state === "paused")
    await again.turns(20)
    expect(again.store.table("out").size).toBe(0)
    await again.done(again.store.consumer("led").resume())
    await again.until(() => again.store.table("out").size === 1)
    expect(contentOf(again.store, "out")).toEqual({ a: 1 })
  })

  test("rewind processes again, and skips", async () => {
    const scene = await ConsumerScene.open()
    const { store } = scene
    const consumer = store.consume("led", counting(store), { table: "in" })
    const first = await scene.done(store.table("in").put("a", 1))
    await scene.done(store.table("in").put("b", 1))
    await scene.idle()
    await scene.done(consumer.rewind(first.lsn))
    await scene.until(() => store.table("out").get("b") === 2)
    await scene.idle()
    expect(contentOf(store, "out")).toEqual({ a: 1, b: 2 })
    await scene.done(consumer.pause())
    await scene.done(store.table("in").put("c", 1))
    await scene.done(consumer.rewind("now"))
    await scene.done(consumer.resume())
    await scene.done(store.table("in").put("d", 1))
    await scene.until(() => store.table("out").has("d"))
    expect(contentOf(store, "out")).toEqual({ a: 1, b: 2, d: 1 })
    await expect(consumer.rewind("end" as never)).rejects.toThrow("must be")
  })

  test("remove forgets its position and its letters, and one that runs is done", async () => {
    const scene = await ConsumerScene.open()
    const { store } = scene
    const failing = (): void => {
      throw new Error("no")
    }
    const consumer = store.consume("gone", failing, { retry: { attempts: 1 } })
    await scene.done(store.table("in").put("a", 1))
    await scene.until(() => consumer.deadLetters().length === 1)
    expect(await scene.done(store.removeConsumer("gone"))).toBe(true)
    await consumer.done
    expect(store.consumers()).toEqual([])
    expect(() => store.consumer("gone")).toThrow(ConsumerUnknown)
    await expect(consumer.pause()).rejects.toThrow(ConsumerUnknown)
    expect(await scene.done(store.removeConsumer("gone"))).toBe(false)
    const next = store.consume("gone", counting(store), { table: "in" })
    await scene.done(store.table("in").put("b", 1))
    await scene.until(() => store.table("out").has("b"))
    expect(next.deadLetters()).toEqual([])
    expect(contentOf(store, "out")).toEqual({ b: 1 })
  })
})

describe("a consumer lives on", () => {
  test.each(["store/log/wal-writer", "store/shards/shard-1", "store/change-publisher", "store/consumers"])(
    "when %s dies",
    async (path) => {
      const scene = await ConsumerScene.open()
      const { store } = scene
      const consumer = store.consume("tough", counting(store), { table: "in" })
      for (let n = 0; n < 20; n++) {
        const put = store.table("in").put(`k${n}`, n)
        if (n % 5 === 2) await scene.done(store.killActor(path, new Error("killed by the test")))
        await scene.done(put)
      }
      await scene.done(store.ready())
      await scene.until(() => store.table("out").size === 20)
      expect(new Set(store.table("out").values())).toEqual(new Set([1]))
      expect(consumer.state).toBe("running")
    },
  )

  test("where nothing is of interest to it and the log goes on without it", async () => {
    const scene = await ConsumerScene.open(undefined, { keep: { checkpoints: 1 } })
    const { store } = scene
    const consumer = store.consume("bored", counting(store), { table: "in" })
    await scene.done(store.table("in").put("a", 1))
    for (let round = 0; round < 4; round++) {
      for (let n = 0; n < 30; n++) await scene.done(store.table("other").put(`k${n}`, "x".repeat(200)))
      await scene.done(store.checkpoint())
    }
    const before = consumer.position
    await scene.until(() => consumer.position > before)
    const again = await scene.reopened()
    const next = again.store.consume("bored", counting(again.store), { table: "in" })
    await again.done(again.store.table("in").put("b", 1))
    await again.until(() => again.store.table("out").has("b"))
    expect(next.state).toBe("running")
    expect(contentOf(again.store, "out")).toEqual({ a: 1, b: 1 })
  })

  test("and nothing of what it has in hand is lost when it is stopped, or its position is looked at", async () => {
    const scene = await ConsumerScene.open()
    const { store, platform } = scene
    const calls: number[] = []
    const consumer = store.consume(
      "slow",
      async (commits) => {
        calls.push(commits.length)
        await new Promise<void>(() => undefined)
      },
      { table: "in", batch: { commits: 10 } },
    )
    await scene.done(store.table("in").putMany([["a", 1]]))
    await scene.until(() => calls.length === 1)
    for (let n = 0; n < 1_100; n++) void store.table("other").put("k", n)
    await scene.done(store.flush())
    for (let second = 0; second < 5; second++) {
      platform.clock.advance(1_000)
      await scene.turns(5)
    }
    await scene.done(consumer.stop())
    store.consume("slow", (commits, tx) => commits.forEach((commit) => counting(store)(commit as never, tx)), {
      table: "in",
      batch: { commits: 10 },
    })
    await scene.until(() => store.table("out").has("a"))
    expect(contentOf(store, "out")).toEqual({ a: 1 })
  })

  test("but fails, and leaves no gap, where the log has let go of what it has not seen", async () => {
    const scene = await ConsumerScene.open(undefined, { keep: { checkpoints: 1 } })
    const { store } = scene
    const first = store.consume("late", counting(store), { table: "in" })
    await scene.done(store.table("in").put("a", 1))
    await scene.idle()
    await scene.done(first.stop())
    for (let round = 0; round < 4; round++) {
      for (let n = 0; n < 30; n++) await scene.done(store.table("in").put(`k${n}`, "x".repeat(200)))
      await scene.done(store.checkpoint())
    }
    const consumer = store.consume("late", counting(store), { table: "in" })
    await scene.until(() => consumer.state === "failed")
    expect(consumer.error).toMatchObject({ cause: { code: "ORRERY_CURSOR_EXPIRED" } })
    expect(contentOf(store, "out")).toEqual({ a: 1 })
    await scene.done(consumer.rewind("beginning"))
    await scene.until(() => consumer.lag === 0 && consumer.state === "running")
    expect(store.table("out").size).toBeGreaterThan(1)
  })
})

test("a hundred consumers work side by side, each from its own position", async () => {
  const scene = await ConsumerScene.open()
  const { store } = scene
  const consumers: Consumer[] = []
  const sums = store.table<number>("sums")
  for (let n = 0; n < 100; n++) {
    const handler = (commit: Commit<number>, tx: Transaction): void => {
      tx.update(sums, `c${n}`, (sum) => (sum ?? 0) + (commit.changes[0]?.value ?? 0))
    }
    consumers.push(store.consume<number>(`c${n}`, handler, { table: "in" }))
  }
  for (let n = 1; n <= 10; n++) await scene.done(store.table<number>("in").put(`k${n}`, n))
  await scene.idle()
  expect(new Set(sums.values())).toEqual(new Set([55]))
  expect(sums.size).toBe(100)
  expect(store.metrics().consumers).toMatchObject({ running: 100, processed: 1_000, maxLagLsn: 0 })
  await scene.done(store.close())
  expect(consumers.every(({ state }) => state === "stopped")).toBe(true)
})
