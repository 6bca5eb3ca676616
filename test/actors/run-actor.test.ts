import { describe, expect, test } from "vitest"
import { CountingActor, crashOnce, Watch } from "./counting-actor.ts"
import { settle } from "./scripted-child.ts"

describe("a crash", () => {
  test("does not reach the teller", async () => {
    const actor = new CountingActor()
    const tree = await new Watch().run(actor)
    crashOnce(actor, new Error("broken"))
    expect(actor.tell(1)).toBe(true)
    await tree.stop()
  })

  test("redelivers the batch in hand first, then what waited, in order", async () => {
    const actor = new CountingActor({ batchCountMax: 3 })
    const tree = await new Watch().run(actor)
    actor.suspend()
    for (const message of [1, 2, 3, 4, 5]) actor.tell(message)
    crashOnce(actor, "broken")
    actor.resume()
    actor.tell(6)
    expect(actor.waitingCount).toBe(3)
    await settle()
    expect(actor.batches).toEqual([
      [1, 2, 3],
      [1, 2, 3],
      [4, 5, 6],
    ])
    expect(actor.log).toEqual(["start", "stop after broken", "start"])
    await tree.stop()
  })

  test("hands the batch in hand to onUndelivered if messages are to be rejected, and keeps what waited", async () => {
    const actor = new CountingActor({ undelivered: "reject" })
    const tree = await new Watch().run(actor)
    const cause = new Error("broken")
    crashOnce(actor, cause)
    actor.tell(1)
    actor.tell(2)
    await settle()
    expect(actor.undelivered).toEqual([{ messages: [1], cause }])
    expect(actor.batches).toEqual([[1], [2]])
    await tree.stop()
  })

  test("by a rejected promise is the same", async () => {
    const actor = new CountingActor()
    const tree = await new Watch().run(actor)
    actor.onReceive = async () => {
      actor.onReceive = () => {}
      await Promise.reject(new Error("broken"))
    }
    actor.tell(1)
    actor.tell(2)
    await settle()
    expect(actor.batches).toEqual([[1], [1], [2]])
    await tree.stop()
  })

  test("keeps the actor's own error as its cause", async () => {
    const actor = new CountingActor()
    const watch = new Watch()
    const tree = await watch.run(actor)
    const cause = new Error("broken")
    crashOnce(actor, cause)
    actor.tell(1)
    await settle()
    expect(watch.events).toContainEqual(expect.objectContaining({ kind: "crashed", cause, suppressed: [] }))
    await tree.stop()
  })

  test("in start is a crash too, and stop is not called for a life that did not start", async () => {
    const actor = new CountingActor()
    const tree = await new Watch().run(actor)
    actor.onStart = () => {
      actor.onStart = () => {}
      throw new Error("not yet")
    }
    actor.kill("test")
    await settle()
    expect(actor.log).toEqual(["start", "stop after test", "start", "start"])
    await tree.stop()
  })

  test("tells a failure of stop besides the cause", async () => {
    const actor = new CountingActor()
    const watch = new Watch()
    const tree = await watch.run(actor)
    const failure = new Error("could not close")
    actor.onStop = () => {
      actor.onStop = () => {}
      throw failure
    }
    actor.kill("test")
    await settle()
    expect(watch.events).toContainEqual(
      expect.objectContaining({ kind: "crashed", cause: "test", suppressed: [failure] }),
    )
    await tree.stop()
  })
})

describe("kill", () => {
  test("waits for the work in flight; what that finished is not delivered again", async () => {
    const actor = new CountingActor()
    const tree = await new Watch().run(actor)
    const gate = Promise.withResolvers<void>()
    actor.onReceive = () => gate.promise
    actor.tell(1)
    actor.tell(2)
    expect([actor.kill("test"), actor.kill("again")]).toEqual([true, false])
    await settle()
    expect([actor.log, actor.status]).toEqual([["start"], "ending"])
    gate.resolve()
    await settle()
    expect(actor.batches).toEqual([[1], [2]])
    expect(actor.log).toEqual(["start", "stop after test", "start"])
    await tree.stop()
  })

  test("from inside receive ends the life after the batch, and takes nothing more", async () => {
    const actor = new CountingActor()
    const tree = await new Watch().run(actor)
    actor.onReceive = () => {
      actor.onReceive = () => {}
      actor.tell(2)
      actor.kill("test")
    }
    actor.tell(1)
    expect([actor.received, actor.status]).toEqual([[1], "ending"])
    await settle()
    expect(actor.received).toEqual([1, 2])
    await tree.stop()
  })

  test("during start ends the life when it has started, before its first message", async () => {
    const actor = new CountingActor()
    const gate = Promise.withResolvers<void>()
    const tree = await new Watch().run(actor)
    actor.onStart = () => gate.promise
    actor.kill("one")
    await settle()
    actor.tell(1)
    expect(tree.kill("root/counter", "two")).toBe(true)
    actor.onStart = () => {}
    gate.resolve()
    await settle()
    expect(actor.log).toEqual(["start", "stop after one", "start", "stop after two", "start"])
    expect(actor.received).toEqual([1])
    await tree.stop()
  })

  test("without a life does nothing", () => {
    expect(new CountingActor().kill("test")).toBe(false)
  })
})

describe("an orderly stop", () => {
  test("works through the batch in hand, stops, and keeps what waited for the next life", async () => {
    const actor = new CountingActor()
    const tree = await new Watch().run(actor)
    const gate = Promise.withResolvers<void>()
    actor.onReceive = () => gate.promise
    actor.tell(1)
    actor.tell(2)
    const stopping = tree.stop()
    await settle()
    expect(actor.log).toEqual(["start"])
    gate.resolve()
    await stopping
    expect([actor.log, actor.received, actor.waitingCount]).toEqual([["start", "stop"], [1], 1])
    const again = await new Watch().run(actor)
    expect(actor.received).toEqual([1, 2])
    await again.stop()
  })

  test("tells a crash of the last batch, and gives that batch back", async () => {
    const actor = new CountingActor()
    const watch = new Watch()
    const tree = await watch.run(actor)
    const gate = Promise.withResolvers<void>()
    actor.onReceive = () => gate.promise
    actor.tell(1)
    const stopping = tree.stop()
    await settle()
    gate.reject("broken")
    await stopping
    expect(watch.events).toContainEqual(expect.objectContaining({ kind: "stopped", suppressed: ["broken"] }))
    expect(actor.waitingCount).toBe(1)
  })

  test("of an actor that hangs is given up after the shutdown time, and the batch in hand goes to the next life", async () => {
    const actor = new CountingActor()
    const watch = new Watch()
    const tree = await watch.run(actor, { shutdown: 500 })
    actor.onReceive = () => new Promise(() => {})
    actor.tell(1)
    tree.kill("root/counter", "test")
    await settle()
    actor.onReceive = () => {}
    watch.clock.advance(500)
    await settle()
    expect(watch.events.map(({ kind }) => kind).slice(4)).toEqual([
      "abandoned",
      "crashed",
      "started",
      "ready",
      "restarted",
    ])
    expect(actor.batches).toEqual([[1], [1]])
    await tree.stop()
  })

  test("what an abandoned life still does is not heard", async () => {
    const actor = new CountingActor()
    const tree = await new Watch().run(actor, { shutdown: "brutal" })
    const gate = Promise.withResolvers<void>()
    actor.onReceive = () => gate.promise
    actor.tell(1)
    actor.onReceive = () => new Promise(() => {})
    tree.kill("root/counter", "test")
    await settle()
    expect([actor.batches, actor.status]).toEqual([[[1], [1]], "busy"])
    gate.reject(new Error("late"))
    await settle()
    expect(actor.status).toBe("busy")
    expect(tree.children()[1]).toMatchObject({ status: "running", incarnation: 2 })
    await tree.stop()
  })
})

describe("finish", () => {
  test("is a normal exit: a transient actor stays down, a permanent one comes back", async () => {
    const transient = new CountingActor()
    const tree = await new Watch().run(transient, { restart: "transient" })
    transient.onReceive = () => transient.end()
    transient.tell(1)
    await settle()
    expect([transient.log, transient.status]).toEqual([["start", "stop"], "stopped"])
    await tree.stop()

    const permanent = new CountingActor()
    const other = await new Watch().run(permanent)
    permanent.onReceive = () => permanent.end()
    permanent.tell(1)
    await settle()
    expect([permanent.log, permanent.status]).toEqual([["start", "stop", "start"], "idle"])
    await other.stop()
  })
})
