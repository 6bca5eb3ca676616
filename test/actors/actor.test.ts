import { describe, expect, test } from "vitest"
import { LimitExceeded, StoreClosed } from "../../src/model/errors.ts"
import { CountingActor, crashOnce, Watch } from "./counting-actor.ts"
import { settle } from "./scripted-child.ts"

describe("dispatch", () => {
  test("an idle actor receives on the teller's turn", async () => {
    const actor = new CountingActor()
    const tree = await new Watch().run(actor)
    actor.tell(1)
    expect([actor.batches, actor.status]).toEqual([[[1]], "idle"])
    await tree.stop()
  })

  test("messages told before the first life are received in order when it starts", async () => {
    const actor = new CountingActor()
    for (const message of [1, 2, 3]) expect(actor.tell(message)).toBe(true)
    expect(actor.status).toBe("stopped")
    const tree = await new Watch().run(actor)
    expect(actor.batches).toEqual([[1, 2, 3]])
    await tree.stop()
  })

  test("messages told while it starts wait until it has started", async () => {
    const actor = new CountingActor()
    const gate = Promise.withResolvers<void>()
    actor.onStart = () => gate.promise
    const starting = new Watch().run(actor)
    await settle()
    actor.tell(1)
    expect([actor.status, actor.received]).toEqual(["starting", []])
    gate.resolve()
    const tree = await starting
    expect(actor.received).toEqual([1])
    await tree.stop()
  })

  test("a message told from inside receive is received after the batch in hand, before the teller goes on", async () => {
    const actor = new CountingActor()
    const tree = await new Watch().run(actor)
    actor.onReceive = ([message]) => {
      if (message !== undefined && message < 100) for (const digit of [1, 2]) actor.tell(message * 10 + digit)
    }
    actor.tell(1)
    expect(actor.received).toEqual([1, 11, 12, 111, 112])
    expect(actor.batches[1]).toEqual([11, 12])
    await tree.stop()
  })

  test("messages told while it works asynchronously are received afterwards, batch by batch", async () => {
    const actor = new CountingActor({ batchCountMax: 2 })
    const tree = await new Watch().run(actor)
    const gate = Promise.withResolvers<void>()
    actor.onReceive = () => gate.promise
    for (const message of [1, 2, 3, 4]) actor.tell(message)
    expect([actor.batches, actor.status, actor.waitingCount]).toEqual([[[1]], "busy", 3])
    gate.resolve()
    await settle()
    expect([actor.batches, actor.status]).toEqual([[[1], [2, 3], [4]], "idle"])
    await tree.stop()
  })

  test("a suspended actor keeps messages until it is resumed", async () => {
    const actor = new CountingActor()
    const tree = await new Watch().run(actor)
    actor.suspend()
    actor.tell(1)
    actor.tell(2)
    expect([actor.received, actor.status]).toEqual([[], "suspended"])
    actor.resume()
    actor.tell(3)
    expect(actor.batches).toEqual([[1, 2], [3]])
    await tree.stop()
  })

  test("a resume from inside receive does not begin a second batch", async () => {
    const actor = new CountingActor()
    const tree = await new Watch().run(actor)
    actor.onReceive = ([message]) => {
      if (message !== 1) return
      actor.suspend()
      actor.tell(2)
      actor.resume()
      expect(actor.received).toEqual([1])
    }
    actor.tell(1)
    expect(actor.batches).toEqual([[1], [2]])
    await tree.stop()
  })

  test("many batches in a row do not deepen the stack", async () => {
    const actor = new CountingActor({ batchCountMax: 1 })
    for (let message = 0; message < 50_000; message++) actor.tell(message)
    const tree = await new Watch().run(actor)
    expect(actor.batches.length).toBe(50_000)
    await tree.stop()
  })
})

describe("a full mailbox", () => {
  test("refuses by returning false", () => {
    const actor = new CountingActor({ capacity: 2 })
    expect([actor.tell(1), actor.tell(2), actor.tell(3)]).toEqual([true, true, false])
  })

  test("throws LimitExceeded if the actor was made so", () => {
    const actor = new CountingActor({ capacity: 1, whenFull: "throw" })
    actor.tell(1)
    expect(() => actor.tell(2)).toThrow(LimitExceeded)
  })

  test("has room again once a batch was taken", async () => {
    const actor = new CountingActor({ capacity: 1 })
    actor.tell(1)
    const tree = await new Watch().run(actor)
    actor.suspend()
    expect([actor.tell(2), actor.tell(3)]).toEqual([true, false])
    await tree.stop()
  })
})

describe("retire", () => {
  test("hands over everything that waits, the returned batch first, and refuses from then on", async () => {
    const actor = new CountingActor()
    const tree = await new Watch().run(actor, { restart: "temporary" })
    crashOnce(actor, "broken")
    actor.tell(1)
    actor.tell(2)
    await settle()
    const cause = new StoreClosed("it was closed", "Open it again")
    actor.retire(cause)
    actor.retire(cause)
    expect(actor.undelivered).toEqual([{ messages: [1, 2], cause }])
    expect([actor.tell(3), actor.status, actor.waitingCount]).toEqual([false, "retired", 0])
    await tree.stop()
  })

  test("makes tell throw the cause if the actor was made to throw", () => {
    const actor = new CountingActor({ whenFull: "throw" })
    const cause = new StoreClosed("it was closed", "Open it again")
    actor.retire(cause)
    expect(() => actor.tell(1)).toThrow(cause)
  })

  test("is a defect while the actor lives", async () => {
    const actor = new CountingActor()
    const tree = await new Watch().run(actor)
    expect(() => actor.retire("too early")).toThrow("invariant broken")
    await tree.stop()
  })
})

test("an actor under two supervisors at once is a defect of the second", async () => {
  const actor = new CountingActor()
  const tree = await new Watch().run(actor)
  await expect(new Watch().run(actor)).rejects.toThrow("one life at a time")
  await tree.stop()
})

test("a batch count below 1 is refused", () => {
  expect(() => new CountingActor({ batchCountMax: 0 })).toThrow(TypeError)
})
