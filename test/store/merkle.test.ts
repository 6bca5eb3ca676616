// The Merkle tree of a store: its root is that of the content, is written down, and is compared when the store is opened.

import "../../src/actors/engine.ts"
import { describe, expect, test } from "vitest"
import { merkleValueDigest, MerkleMismatch, open, restoreStore, verifyProof } from "../../src/index.ts"
import type { MerkleOptions, OpenOptions, Store, StoreEvent } from "../../src/index.ts"
import { verifyStore } from "../../src/recovery/verify.ts"
import type { VerifyReport } from "../../src/recovery/verify.ts"
import type { SimulatedDisk } from "../../src/simulation/simulated-disk.ts"
import { simulatePlatform } from "../../src/simulation/simulated-platform.ts"
import type { SimulatedPlatform } from "../../src/simulation/simulated-platform.ts"
import { naiveRoot } from "../merkle/naive-root.ts"
import type { Content } from "../merkle/naive-root.ts"
import { tampered } from "../merkle/tampered.ts"
import { untilSettled } from "../property/store-history.ts"
import { copyOfDisk, DIRECTORY } from "../recovery/reference-store.ts"

class Subject {
  readonly platform: SimulatedPlatform
  readonly store: Store

  private constructor(platform: SimulatedPlatform, store: Store) {
    this.platform = platform
    this.store = store
  }

  static async open(
    merkle: MerkleOptions | boolean,
    options: OpenOptions = {},
    disk?: SimulatedDisk,
    seed: number = 1,
  ): Promise<Subject> {
    const platform = simulatePlatform(disk === undefined ? { seed } : { seed, disk })
    const settings: OpenOptions = { platform, shards: 3, segmentBytes: 4096, checkpoint: false, merkle, ...options }
    return new Subject(platform, await untilSettled(platform, open(DIRECTORY, settings)))
  }

  done<T>(work: Promise<T>): Promise<T> {
    return untilSettled(this.platform, work)
  }

  async put(count: number, from: number = 0): Promise<void> {
    const entries = Array.from({ length: count }, (_, n) => [`key ${from + n}`, { n: from + n, pad: "p" }] as const)
    await this.done(this.store.table("t").putMany(entries))
  }

  async pass(ms: number): Promise<void> {
    for (let passed = 0; passed < ms; passed += 50) {
      this.platform.clock.advance(50)
      await new Promise<void>((resolve) => setImmediate(resolve))
    }
  }

  async root(): Promise<string> {
    return (await this.done(this.store.merkleRoot())).root
  }

  /** The disk as a kill leaves it. */
  killed(): SimulatedDisk {
    return this.platform.fileSystem.crash("kill")
  }

  close(): Promise<void> {
    return this.done(this.store.close())
  }
}

function contentOf(store: Store): Content[] {
  return store
    .tables()
    .flatMap((table) => [...store.table(table).entries()].map(([key, value]): Content => ({ table, key, value })))
}

describe("the root of a store", () => {
  test.each([true, false])("is that of everything written before the call, kept or not: %s", async (merkle) => {
    const subject = await Subject.open(merkle)
    const { store } = subject
    expect(await subject.root()).toBe(naiveRoot([]))
    await subject.put(100)
    await subject.done(store.table("other").put("key 1", new Map([["a", [1n, undefined]]])))
    await subject.done(store.table("t").delete("key 7"))
    store
      .table("t")
      .put("key 8", "last", { durability: "memory" })
      .catch(() => undefined)
    const root = await subject.done(store.merkleRoot())
    expect(store.metrics().log.lastLsn).toBe(root.lsn)
    expect(root).toEqual({ lsn: store.metrics().log.durableLsn, root: naiveRoot(contentOf(store)), records: 100 })
    await subject.close()
  })

  test("is the same for the same content, whatever the history, the shards, the tables' numbers and the shapes", async () => {
    const one = await Subject.open(true, { shards: 1 }, undefined, 1)
    const two = await Subject.open(true, { shards: 7 }, undefined, 2)
    const values = Array.from({ length: 200 }, (_, n) => ({ n, name: `name ${n}`, inner: { n } }))
    await two.done(two.store.table("b").put("gone", { inner: 1, n: 2 }))
    await two.done(two.store.table("b").put("gone", { inner: 1, n: 3 }))
    await two.done(two.store.table("b").delete("gone"))
    for (const [n, value] of values.entries())
      one.store
        .table(n % 2 === 0 ? "a" : "b")
        .put(`k${n}`, value)
        .catch(() => 0)
    for (const [n, value] of [...values.entries()].toReversed()) {
      const table = two.store.table(n % 2 === 0 ? "a" : "b")
      table.put(`k${n}`, 0).catch(() => 0)
      table.put(`k${n}`, value).catch(() => 0)
    }
    expect(await two.root()).toBe(await one.root())
    await two.done(two.store.checkpoint())
    await two.close()
    const again = await Subject.open(true, { shards: 2 }, two.platform.fileSystem)
    expect(await again.root()).toBe(await one.root())
    await again.done(again.store.table("a").put("k0", { name: "name 0", n: 0, inner: { n: 0 } }))
    expect(await again.root()).not.toBe(await one.root())
    await one.close()
    await again.close()
  })

  test("does not know of the engine's own tables", async () => {
    const subject = await Subject.open({ recordMs: 1, refreshMs: 1 })
    await subject.put(5)
    const before = await subject.root()
    await subject.pass(1_000)
    expect(subject.store.metrics().merkle.recordedRoots).toBeGreaterThan(0)
    expect(await subject.root()).toBe(before)
    expect((await subject.done(subject.store.merkleRoot())).records).toBe(5)
    await subject.close()
  })

  test("is there again when its actor was killed, also in the middle of its work", async () => {
    const subject = await Subject.open(true)
    await subject.put(300)
    const before = await subject.root()
    const running = subject.store.merkleRoot().then(
      ({ root }) => root,
      ({ code }: { readonly code: string }) => code,
    )
    await subject.done(subject.store.killActor("store/merkle", new Error("killed by the test")))
    expect([before, "ORRERY_RESTARTING"]).toContain(await subject.done(running))
    await subject.done(subject.store.ready())
    expect(await subject.root()).toBe(before)
    await subject.done(subject.store.killActor("store/log/wal-writer", new Error("killed by the test")))
    await subject.put(1, 1_000)
    expect(await subject.root()).toBe(naiveRoot(contentOf(subject.store)))
    await subject.close()
    await expect(subject.store.merkleRoot()).rejects.toThrow("closed")
  })

  test("follows where the log was let go before the tree had read it", async () => {
    const subject = await Subject.open(false, { keep: { checkpoints: 1 } })
    await subject.put(100)
    expect(await subject.root()).toBe(naiveRoot(contentOf(subject.store)))
    for (let round = 0; round < 4; round++) {
      await subject.put(100, 100 * round)
      await subject.done(subject.store.checkpoint())
    }
    expect(await subject.root()).toBe(naiveRoot(contentOf(subject.store)))
    expect(subject.store.metrics().merkle.builds).toBe(2)
    await subject.close()
  })

  test.each([true, false])(
    "tells how it gets on, and is not waited for where the listener throws, kept or not: %s",
    async (merkle) => {
      const subject = await Subject.open(merkle)
      await subject.put(100)
      const told: { doneBytes: number; totalBytes: number }[] = []
      const { root } = await subject.done(subject.store.merkleRoot({ onProgress: (progress) => told.push(progress) }))
      expect(told.at(-1)?.doneBytes).toBeGreaterThan(1_000)
      for (const { doneBytes, totalBytes } of told) expect(doneBytes).toBeLessThanOrEqual(totalBytes)
      const onProgress = (): never => {
        throw new Error("enough")
      }
      await expect(subject.done(subject.store.merkleRoot({ onProgress }))).rejects.toThrow("enough")
      expect(await subject.root()).toBe(root)
      await subject.close()
    },
  )

  test("is not waited for beyond a signal, and takes no options that it does not know", async () => {
    const subject = await Subject.open(true)
    await expect(subject.store.merkleRoot({ signal: AbortSignal.abort(new Error("enough")) })).rejects.toThrow("enough")
    await expect(subject.store.merkleRoot({ depth: 1 } as never)).rejects.toThrow(TypeError)
    await expect(subject.store.table("t").prove(5 as never)).rejects.toThrow(TypeError)
    await subject.close()
    for (const merkle of [1, { recordMs: 0 }, { verify: "later" }, { kept: true }, { allowMismatch: 1 }]) {
      await expect(open(DIRECTORY, { platform: subject.platform, merkle: merkle as never })).rejects.toThrow(TypeError)
    }
  })
})

describe("proofs of a store", () => {
  test("hold for its root, of what is there and of what is not", async () => {
    const subject = await Subject.open(true)
    await subject.put(500)
    const table = subject.store.table("t")
    const { root } = await subject.done(subject.store.merkleRoot())
    const there = await subject.done(table.prove("key 3"))
    expect(there).toMatchObject({ table: "t", key: "key 3", present: true })
    expect(there.valueDigest).toBe(merkleValueDigest({ n: 3, pad: "p" }))
    expect(verifyProof(root, there)).toBe(true)
    const gone = await subject.done(table.prove("key 500"))
    expect(gone).toMatchObject({ present: false, valueDigest: null })
    expect(verifyProof(root, gone)).toBe(true)
    await subject.done(table.put("key 500", 1))
    expect(verifyProof(await subject.root(), gone)).toBe(false)
    await subject.close()
  })
})

describe("a state that is opened", () => {
  /** A store with a checkpoint and nothing behind it but the end of the log. */
  async function checkpointed(merkle: MerkleOptions | boolean = true, count: number = 60): Promise<SimulatedDisk> {
    const subject = await Subject.open(merkle, { keep: { checkpoints: 1 } })
    await subject.put(count)
    await subject.done(subject.store.checkpoint())
    await subject.close()
    return subject.platform.fileSystem
  }

  test("is verified by the root of its checkpoint", async () => {
    const subject = await Subject.open(true, {}, await checkpointed())
    const { checkpointLsn, merkle } = subject.store.recovery
    expect(merkle).toEqual({ result: "verified", lsn: checkpointLsn, reason: "it is what checkpoint-0000000001 says" })
    await subject.close()
  })

  test("is verified by a root in the log where that is newer than the checkpoint's, or there is none", async () => {
    for (const hasCheckpoint of [false, true]) {
      const subject = await Subject.open({ recordMs: 100, refreshMs: 100 })
      await subject.put(40)
      if (hasCheckpoint) await subject.done(subject.store.checkpoint())
      await subject.put(40, 20)
      const { lsn } = await subject.done(subject.store.merkleRoot())
      await subject.pass(2_000)
      expect(subject.store.metrics().merkle.recordedRoots).toBeGreaterThan(0)
      await subject.put(3, 30)
      const again = await Subject.open(true, {}, subject.killed())
      const { merkle } = again.store.recovery
      expect(merkle).toMatchObject({ result: "verified", reason: "it is what the log says" })
      expect(merkle.lsn).toBeGreaterThanOrEqual(lsn)
      expect(await again.root()).toBe(naiveRoot(contentOf(again.store)))
      await again.close()
    }
  })

  test("tells how comparing gets on, and is given up by what the listener throws", async () => {
    const disk = await copyOfDisk((await checkpointed()).files())
    const phases: string[] = []
    const listening = (act: () => void): OpenOptions => ({
      onRecovery: ({ phase, totalBytes }) => {
        phases.push(phase)
        if (phase !== "compare-root") return
        expect(totalBytes).toBeGreaterThan(1_000)
        act()
      },
    })
    const refuse = (): never => {
      throw new Error("enough")
    }
    await expect(Subject.open(true, listening(refuse), disk)).rejects.toThrow("enough")
    const subject = await Subject.open(
      true,
      listening(() => undefined),
      disk,
    )
    // Once by the open that was given up; when it begins, and at its end.
    expect(phases.filter((phase) => phase === "compare-root")).toHaveLength(3)
    expect(subject.store.recovery.merkle.result).toBe("verified")
    await subject.close()
  })

  test("is skipped, and says why, where nothing is asked for or nothing is at hand", async () => {
    const disk = await checkpointed(false)
    for (const [merkle, reason] of [
      [false, "the option merkle is off"],
      [true, "no root was written for what was recovered"],
      [{ verify: "never" }, "the option merkle.verify says never"],
    ] as const) {
      const subject = await Subject.open(merkle, {}, await copyOfDisk(disk.files()))
      expect(subject.store.recovery.merkle).toEqual({ result: "skipped", lsn: 0, reason })
      await subject.close()
    }
  })

  test("and has one byte changed, with its checksums made right again, is refused, whichever record it is in", async () => {
    const files = (await checkpointed(true, 30)).files()
    let count = 0
    tampered(files, 1, () => count++)
    expect(count).toBe(30)
    for (let index = 0; index < count; index++) {
      const changed = tampered(files, 1, (bytes, record, end) => {
        if (record === index) bytes[end - 1] = "q".charCodeAt(0)
      })
      const error: unknown = await Subject.open(true, {}, await copyOfDisk(changed)).catch((reason: unknown) => reason)
      expect(error).toBeInstanceOf(MerkleMismatch)
      expect(error).toMatchObject({
        code: "ORRERY_MERKLE_MISMATCH",
        source: "checkpoint-0000000001",
        expectedRecords: 30,
        foundRecords: 30,
      })
      const platform = simulatePlatform({ seed: 3, disk: await copyOfDisk(changed) })
      const report = await verifyStore(platform, DIRECTORY)
      expect(report).toMatchObject({ verdict: "damaged", merkle: { result: "failed" } })
    }
    const intact = simulatePlatform({ seed: 3, disk: await copyOfDisk(tampered(files, 1, () => undefined)) })
    expect(await verifyStore(intact, DIRECTORY)).toMatchObject({ verdict: "good", merkle: { result: "verified" } })
  })

  test("is proven by verify through the root alone, where the log does not reach back", async () => {
    const subject = await Subject.open(true, { keep: { checkpoints: 1 } })
    for (let round = 0; round < 4; round++) {
      for (let n = 0; n < 40; n++) await subject.done(subject.store.table("t").put(`key ${n}`, { n: round, pad: "p" }))
      await subject.done(subject.store.checkpoint())
    }
    await subject.close()
    const files = subject.platform.fileSystem.files()
    const reportOf = async (of: typeof files): Promise<VerifyReport> =>
      verifyStore(simulatePlatform({ seed: 3, disk: await copyOfDisk(of) }), DIRECTORY)
    expect(await reportOf(files)).toMatchObject({ verdict: "good", merkle: { result: "verified" } })
    const changed = tampered(files, 4, (bytes, record, end) => {
      if (record === 20) bytes[end - 1] = "q".charCodeAt(0)
    })
    const report = await reportOf(new Map(changed))
    expect(report).toMatchObject({ verdict: "damaged", checkpoints: 0, merkle: { result: "failed" } })
    expect(report.findings.map(({ what }) => what)).toContainEqual(expect.stringContaining("Merkle root"))
  })

  test("and was changed is taken as it is where that is allowed, and said to have failed", async () => {
    const changed = tampered((await checkpointed()).files(), 1, (bytes, record, end) => {
      if (record === 3) bytes[end - 1] = "q".charCodeAt(0)
    })
    const subject = await Subject.open({ allowMismatch: true }, {}, await copyOfDisk(changed))
    expect(subject.store.recovery.merkle).toMatchObject({ result: "failed" })
    expect(subject.store.recovery.merkle.reason).toContain("checkpoint-0000000001 says")
    expect(await subject.root()).toBe(naiveRoot(contentOf(subject.store)))
    await subject.put(1, 1_000)
    await subject.done(subject.store.checkpoint())
    await subject.close()
    const again = await Subject.open(true, {}, subject.platform.fileSystem)
    expect(again.store.recovery.merkle.result).toBe("verified")
    await again.close()
  })

  test("and was changed closes the store from behind where it is compared there", async () => {
    const changed = tampered((await checkpointed()).files(), 1, (bytes, record, end) => {
      if (record === 3) bytes[end - 1] = "q".charCodeAt(0)
    })
    const subject = await Subject.open({ verify: "behind" }, {}, await copyOfDisk(changed))
    const { store } = subject
    const events: StoreEvent[] = []
    store.events().subscribe((event) => events.push(event))
    await subject.pass(2_000)
    expect(store.status.state).toBe("closed")
    expect(store.status.reason).toBeInstanceOf(MerkleMismatch)
    expect(events.at(-1)).toMatchObject({ kind: "closed", reason: { code: "ORRERY_MERKLE_MISMATCH" } })
    await expect(store.table("t").put("k", 1)).rejects.toThrow("gave up")
  })

  test("is verified behind an open store where nothing was changed", async () => {
    const subject = await Subject.open({ verify: "behind" }, {}, await checkpointed())
    await subject.root()
    expect(subject.store.recovery.merkle.result).toBe("verified")
    await subject.close()
  })

  test("from a backup, or restored, is verified by the root that came with it", async () => {
    const subject = await Subject.open(true)
    await subject.put(50)
    const root = await subject.root()
    await subject.done(subject.store.backup("/backup"))
    await subject.close()
    const platform = simulatePlatform({ seed: 4, disk: subject.platform.fileSystem })
    await untilSettled(platform, restoreStore({ from: "/backup", into: "/restored", platform }))
    for (const path of ["/backup", "/restored"]) {
      const store = await untilSettled(platform, open(path, { platform, merkle: true, checkpoint: false }))
      expect(store.recovery.merkle, path).toMatchObject({ result: "verified" })
      expect((await untilSettled(platform, store.merkleRoot())).root).toBe(root)
      await untilSettled(platform, store.close())
    }
  })

  test("has a plan for its next checkpoint that counts the root", async () => {
    const subject = await Subject.open(true)
    await subject.put(50)
    const plan = await subject.done(subject.store.planCheckpoint())
    const report = await subject.done(subject.store.checkpoint())
    expect(report).toMatchObject({ lsn: plan?.lsn, sizeBytes: plan?.sizeBytes, records: plan?.records })
    expect(await subject.done(subject.store.checkpoint())).toBeUndefined()
    await subject.close()
  })
})
