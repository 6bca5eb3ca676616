import * as Effect from "effect/Effect"
import { describe, expect, test } from "vitest"
import type { SupervisorSpecification } from "../../src/actors/child-specification.ts"
import { settle } from "./scripted-child.ts"
import { one, Scene } from "./supervision-scene.ts"

describe("stopping", () => {
  test("stops everything in reverse order, a nested supervisor's children in its place", async () => {
    const scene = new Scene()
    const { a, b, c, d } = scene.children
    const inner: SupervisorSpecification = {
      ...one(b.specification()),
      id: "inner",
      children: [b.specification(), c.specification()],
    }
    const tree = await scene.start({
      ...one(a.specification()),
      children: [a.specification(), inner, d.specification()],
    })
    scene.forget()
    await tree.stop()
    expect(scene.log.join(" ")).toBe("-d -c -b -a")
    expect(scene.events.map(({ kind, path }) => `${kind} ${path}`)).toEqual([
      "stopped root/d",
      "stopped root/inner/c",
      "stopped root/inner/b",
      "stopped root/inner",
      "stopped root/a",
      "stopped root",
    ])
  })

  test("waits for a slow child before it stops the one before it", async () => {
    const scene = new Scene()
    const tree = await scene.three("one_for_one")
    scene.children.b.isSlowToStop = true
    const stopping = tree.stop()
    expect(await scene.logged()).toBe("-c")
    scene.children.b.release()
    await stopping
    expect(await scene.logged()).toBe("-b -a")
  })

  test("abandons a child that has not stopped within its shutdown time, says so, and goes on", async () => {
    const scene = new Scene()
    const { a, b } = scene.children
    const children = [a.specification(), b.specification({ shutdown: 200 })]
    const tree = await scene.three("one_for_one", { children })
    b.isSlowToStop = true
    const stopping = tree.stop()
    scene.clock.advance(199)
    expect(await scene.logged()).toBe("")
    scene.clock.advance(1)
    await stopping
    expect(await scene.logged()).toBe("-a")
    expect(scene.kinds("root/b")).toEqual(["abandoned"])
  })

  test("a late end of an abandoned life changes nothing", async () => {
    const scene = new Scene()
    const { a, b } = scene.children
    const children = [a.specification(), b.specification({ shutdown: 200 })]
    const tree = await scene.three("one_for_all", { children })
    b.isSlowToStop = true
    a.crash("broken")
    await settle()
    scene.clock.advance(200)
    await settle()
    b.isSlowToStop = false
    scene.forget()
    b.release()
    expect(await scene.logged()).toBe("-b")
    expect(scene.events).toEqual([])
    expect(tree.children().map(({ status }) => status)).toEqual(["running", "running", "running"])
    await tree.stop()
  })

  test("waits for ever for a child with shutdown infinity", async () => {
    const scene = new Scene()
    const tree = await scene.three("one_for_one", {
      children: [scene.children.a.specification({ shutdown: "infinity" })],
    })
    scene.children.a.isSlowToStop = true
    const stopping = tree.stop()
    await settle()
    expect(scene.clock.nextDueMs).toBeUndefined()
    scene.clock.advance(1e9)
    expect(await scene.logged()).toBe("")
    scene.children.a.release()
    await stopping
  })

  test("does not wait for a child with shutdown brutal", async () => {
    const scene = new Scene()
    const { a, b } = scene.children
    const tree = await scene.three("one_for_one", {
      children: [a.specification(), b.specification({ shutdown: "brutal" })],
    })
    b.isSlowToStop = true
    await tree.stop()
    expect(await scene.logged()).toBe("-a")
    expect(scene.kinds("root/b")).toEqual(["abandoned"])
  })

  test("a supervisor that runs out of shutdown time drops its children, and its next life is not disturbed", async () => {
    const scene = new Scene()
    const { a, b, c, d } = scene.children
    const below = [b.specification(), c.specification({ shutdown: "infinity" })]
    const inner: SupervisorSpecification = { ...one(b.specification()), id: "inner", children: below, shutdown: 100 }
    const tree = await scene.three("one_for_all", { children: [a.specification(), inner, d.specification()] })
    c.isSlowToStop = true
    a.crash("broken")
    expect(await scene.logged()).toBe("-a -d")
    scene.clock.advance(100)
    expect(await scene.logged()).toBe("-b +a +b +c c lives twice +d")
    expect(scene.kinds("root/inner/c").slice(0, 2)).toEqual(["abandoned", "started"])
    c.isSlowToStop = false
    scene.forget()
    c.release()
    expect(await scene.logged()).toBe("-c")
    expect(scene.events).toEqual([])
    expect(tree.children().every(({ status }) => status === "running")).toBe(true)
    await tree.stop()
    expect(await scene.logged()).toBe("-d -c -b -a")
  })

  test("a child that stops in time leaves no timer behind", async () => {
    const scene = new Scene()
    const tree = await scene.three("one_for_one")
    scene.children.b.isSlowToStop = true
    const stopping = tree.stop()
    await settle()
    expect(scene.clock.nextDueMs).toBe(5_000)
    scene.children.b.release()
    await stopping
    expect(scene.clock.nextDueMs).toBeUndefined()
  })

  test("stops a child that was not ready yet", async () => {
    const scene = new Scene()
    const { a, b } = scene.children
    const tree = await scene.three("one_for_one", { children: [a.specification(), b.specification()] })
    b.isReadyAtOnce = false
    b.crash("broken")
    expect(await scene.logged()).toBe("-b +b")
    await tree.stop()
    expect(await scene.logged()).toBe("-b -a")
  })

  test("what fails in stopping is told", async () => {
    const scene = new Scene()
    const failure = new Error("could not close")
    const run = (ready: () => void): Effect.Effect<void> => {
      ready()
      return Effect.onInterrupt(Effect.never, () => Effect.die(failure))
    }
    const tree = await scene.start(one({ id: "clumsy", run }))
    await tree.stop()
    expect(scene.events).toContainEqual(expect.objectContaining({ kind: "stopped", suppressed: [failure] }))
  })
})

describe("things that happen at once", () => {
  test("a crash during another child's restart waits its turn", async () => {
    const scene = new Scene()
    const tree = await scene.three("one_for_one")
    const { a, b } = scene.children
    a.isReadyAtOnce = false
    a.crash("one")
    expect(await scene.logged()).toBe("-a +a")
    b.crash("two")
    expect(await scene.logged()).toBe("-b")
    a.ready()
    expect(await scene.logged()).toBe("+b")
    await tree.stop()
  })

  test("a crash of an earlier child during a later one's restart restarts both, and no life overlaps", async () => {
    const scene = new Scene()
    const tree = await scene.three("rest_for_one")
    const { a, b } = scene.children
    b.isReadyAtOnce = false
    b.crash("one")
    expect(await scene.logged()).toBe("-b -c +b")
    a.crash("two")
    b.isReadyAtOnce = true
    b.ready()
    expect(await scene.logged()).toBe("-a +c -c -b +a +b +c")
    await tree.stop()
  })

  test("a crash while others of its group are stopped for a sibling is told, and costs no restart of its own", async () => {
    const scene = new Scene()
    const { a, b, c } = scene.children
    const tree = await scene.three("one_for_all", { intensity: 1 })
    c.isSlowToStop = true
    a.crash("one")
    expect(await scene.logged()).toBe("-a")
    b.crash("two")
    c.isSlowToStop = false
    c.release()
    expect(await scene.logged()).toBe("-b -c +a +b +c")
    expect(scene.kinds("root/b")).toEqual(["crashed", "started", "ready", "restarted"])
    await tree.stop()
  })

  test("a crash of an earlier child during the first start is answered once all have started", async () => {
    const scene = new Scene()
    const { a, b } = scene.children
    b.isReadyAtOnce = false
    const starting = scene.start({ ...one(a.specification()), children: [a.specification(), b.specification()] })
    await settle()
    a.crash("early")
    b.ready()
    const tree = await starting
    expect(await scene.logged()).toBe("+a +b -a +a")
    await tree.stop()
  })

  test("a kill during the start in a restart counts as a start that failed", async () => {
    const scene = new Scene()
    const tree = await scene.three("one_for_one", { intensity: 2 })
    const { b } = scene.children
    b.isReadyAtOnce = false
    b.crash("one")
    expect(await scene.logged()).toBe("-b +b")
    expect(tree.kill("root/b", "killed while it started")).toBe(true)
    expect(await scene.logged()).toBe("-b +b")
    b.ready()
    await settle()
    expect(tree.children()[2]).toMatchObject({ status: "running", incarnation: 3, restartCount: 2 })
    await tree.stop()
  })

  test("a kill by the child itself, in the first step of its life, is answered like any crash", async () => {
    const scene = new Scene()
    const answers: boolean[] = []
    const run = (ready: () => void): Effect.Effect<void> => {
      if (answers.length === 1) answers.push(tree.kill("root/self", "by itself"))
      else answers.push(true)
      ready()
      return Effect.never
    }
    const tree = await scene.start(one({ id: "self", run }))
    tree.kill("root/self", "by the test")
    await settle()
    expect(answers).toEqual([true, true, true])
    expect(tree.children()[1]).toMatchObject({ status: "running", incarnation: 3 })
    await tree.stop()
  })

  test("a stop during a restart stops what is there and starts nothing more", async () => {
    const scene = new Scene()
    const { a, b } = scene.children
    const tree = await scene.three("one_for_all")
    a.isReadyAtOnce = false
    b.crash("broken")
    expect(await scene.logged()).toBe("-b -c -a +a")
    await tree.stop()
    expect(await scene.logged()).toBe("-a")
  })

  test("a stop while a group is being stopped does not stop anything twice", async () => {
    const scene = new Scene()
    const { a, b, c } = scene.children
    const tree = await scene.three("one_for_all")
    c.isSlowToStop = true
    b.crash("broken")
    expect(await scene.logged()).toBe("-b")
    const stopping = tree.stop()
    await settle()
    c.release()
    await stopping
    expect(await scene.logged()).toBe("-c -a")
    expect([a.aliveCount, b.aliveCount, c.aliveCount]).toEqual([0, 0, 0])
  })
})

describe("back-off", () => {
  test("delays restarts by the number of consecutive ones, and starts over after a quiet period", async () => {
    const scene = new Scene()
    const asked: number[] = []
    const backoffMs = (consecutive: number): number => {
      asked.push(consecutive)
      return 100 * consecutive
    }
    const tree = await scene.three("one_for_one", { backoffMs, periodMs: 10_000 })
    for (const delayMs of [100, 200, 300]) {
      scene.children.a.crash("broken")
      expect(await scene.logged()).toBe("-a")
      scene.clock.advance(delayMs - 1)
      expect(await scene.logged()).toBe("")
      scene.clock.advance(1)
      expect(await scene.logged()).toBe("+a")
    }
    scene.clock.advance(10_000)
    scene.children.a.crash("broken")
    await settle()
    expect(asked).toEqual([1, 2, 3, 1])
    await tree.stop()
  })

  test("keeps the group down meanwhile, and other children under watch", async () => {
    const scene = new Scene()
    const tree = await scene.three("rest_for_one", { backoffMs: () => 100 })
    const { a, b } = scene.children
    b.crash("one")
    expect(await scene.logged()).toBe("-b -c")
    scene.clock.advance(60)
    a.crash("two")
    expect(await scene.logged()).toBe("-a")
    scene.clock.advance(60)
    expect(await scene.logged()).toBe("")
    scene.clock.advance(40)
    expect(await scene.logged()).toBe("+a +b +c")
    expect(scene.clock.nextDueMs).toBeUndefined()
    await tree.stop()
  })

  test("a stop during the delay leaves no timer behind", async () => {
    const scene = new Scene()
    const tree = await scene.three("one_for_one", { backoffMs: () => 100 })
    scene.children.a.crash("one")
    await settle()
    await tree.stop()
    expect(scene.clock.nextDueMs).toBeUndefined()
    expect(await scene.logged()).toBe("-a -c -b")
  })
})
