// Prepared transactions when the disk fails the log: what is in doubt, and what is held, is what the log has after the
// recovery, whatever was applied before it.

import { describe, expect, test } from "vitest"
import { CommitUnknown, KeyInDoubt } from "../../src/index.ts"
import type { Store } from "../../src/index.ts"
import { CheckpointedStore } from "../checkpoint/store-with-checkpoints.ts"

function prepare(store: Store, id: string, key: string): Promise<unknown> {
  return store.transact((tx) => {
    tx.put(store.table<number>("t"), key, 1)
    tx.prepare(id)
  })
}

/** Fails the next write to the log, before or behind what it does, and what comes then until the work has failed. */
async function failing(
  made: CheckpointedStore,
  when: "before" | "after-part",
  work: () => Promise<unknown>,
): Promise<unknown> {
  const { disk } = made
  const operation = disk.operations.length + 1
  disk.faults.add({ operation, only: ["writeSynced"], through: Infinity, error: "EIO", when })
  const failed = work().then(
    () => expect.unreachable("it succeeded"),
    (error: unknown) => {
      disk.faults.clear()
      return error
    },
  )
  return made.settled(failed)
}

/** A store whose table is there, with T0 in doubt. */
async function withOneInDoubt(): Promise<CheckpointedStore> {
  const made = await CheckpointedStore.open()
  await made.settled(made.store.table("t").put("x", 0))
  await made.settled(prepare(made.store, "T0", "of T0"))
  return made
}

describe.each(["before", "after-part"] as const)("a write to the log that fails (%s)", (when) => {
  test("leaves a PREPARE that is not in the log without a trace, its key free", async () => {
    const made = await withOneInDoubt()
    const { store } = made
    const error = await failing(made, when, () => prepare(store, "T1", "a"))
    expect(error).toBeInstanceOf(CommitUnknown)
    await made.settled(store.ready())
    expect(store.inDoubt().map(({ id }) => id)).toEqual(["T0"])
    expect(store.outcome("T1")).toBeUndefined()
    await made.settled(store.table("t").put("a", 2))
    await expect(made.settled(store.table("t").put("of T0", 2))).rejects.toThrow(KeyInDoubt)
    await made.settled(prepare(store, "T1", "b"))
  })

  test.each(["commit", "abort"] as const)(
    "leaves in doubt what a lost %s had decided, its key held again",
    async (how) => {
      const made = await withOneInDoubt()
      const { store } = made
      const decide = (): Promise<unknown> => (how === "commit" ? store.commitPrepared("T0") : store.abortPrepared("T0"))
      const late: Promise<unknown>[] = []
      const error = await failing(made, when, () => {
        const decision = decide()
        expect(store.inDoubt()).toEqual([])
        // It waits in line behind the recovery, and meets what is held then.
        const line = decision.catch(() =>
          late.push(
            store
              .table("t")
              .put("of T0", 2)
              .catch((reason: unknown) => reason),
          ),
        )
        void line
        return decision
      })
      expect(error).toBeInstanceOf(CommitUnknown)
      await made.settled(store.ready())
      expect(store.outcome("T0")).toEqual({ outcome: "in doubt" })
      expect(store.table("t").has("of T0")).toBe(false)
      expect(await made.settled(Promise.all(late))).toEqual([expect.any(KeyInDoubt)])
      await made.settled(decide())
      expect(store.table("t").has("of T0")).toBe(how === "commit")
      await made.settled(store.table("t").put("of T0", 3))
    },
  )
})

test("a decision while the disk is full is refused, and the transaction decided when there is room", async () => {
  const made = await withOneInDoubt()
  const { store, disk, platform } = made
  disk.capacityBytes = 40_000
  for (let n = 0; n < 100 && store.status.state !== "read-only"; n++) {
    await made.settled(store.table("fill").put(String(n), "x".repeat(1_000))).catch(() => undefined)
    await made.settled(store.ready())
  }
  expect(store.status.state).toBe("read-only")
  await expect(made.settled(store.commitPrepared("T0"))).rejects.toMatchObject({ code: "ORRERY_WRITE_REJECTED" })
  expect(store.outcome("T0")).toEqual({ outcome: "in doubt" })
  disk.capacityBytes = 1_000_000
  for (let round = 0; round < 1_000 && store.status.state !== "open"; round++) {
    platform.clock.advance(1_000)
    await new Promise((resolve) => setImmediate(resolve))
  }
  await expect(made.settled(store.table("t").put("of T0", 2))).rejects.toThrow(KeyInDoubt)
  await made.settled(store.commitPrepared("T0"))
  expect(store.table("t").get("of T0")).toBe(1)
})
