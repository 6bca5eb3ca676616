import { spawnSync } from "node:child_process"
import { describe, expect, test } from "vitest"
import type { SupervisorSpecification } from "../../src/actors/child-specification.ts"
import { startTree } from "../../src/actors/supervision-tree.ts"
import { Escalated } from "../../src/model/errors.ts"
import { SimulatedClock } from "../../src/simulation/simulated-clock.ts"
import { settle } from "./scripted-child.ts"
import { one, Scene } from "./supervision-scene.ts"

function twoLevels(scene: Scene): SupervisorSpecification {
  const { a, b, c } = scene.children
  const inner: SupervisorSpecification = {
    ...one(b.specification()),
    id: "inner",
    children: [b.specification(), c.specification()],
  }
  return { ...one(a.specification()), children: [a.specification(), inner] }
}

describe("the snapshot of a tree", () => {
  test("lists every child, the supervisor before its children, in start order", async () => {
    const scene = new Scene()
    const tree = await scene.start(twoLevels(scene))
    expect(tree.children().map(({ path, type, status }) => `${path} ${type} ${status}`)).toEqual([
      "root supervisor running",
      "root/a worker running",
      "root/inner supervisor running",
      "root/inner/b worker running",
      "root/inner/c worker running",
    ])
    await tree.stop()
    expect(tree.children().every(({ status }) => status === "stopped")).toBe(true)
  })

  test("tells the restarts that a child caused from the lives that it had", async () => {
    const scene = new Scene()
    const tree = await scene.three("one_for_all")
    scene.children.b.crash("broken")
    await settle()
    const counts = tree
      .children()
      .map(({ path, incarnation, restartCount }) => `${path} ${incarnation} ${restartCount}`)
    expect(counts).toEqual(["root 1 0", "root/a 2 0", "root/b 2 1", "root/c 2 0"])
    await tree.stop()
  })

  test("shows a child that waits for its restart", async () => {
    const scene = new Scene()
    const tree = await scene.three("one_for_one", { backoffMs: () => 50 })
    scene.children.a.crash("broken")
    await settle()
    expect(tree.children()[1]).toMatchObject({ status: "restarting", incarnation: 1 })
    await tree.stop()
  })
})

describe("kill", () => {
  test("ends a child as a crash with the reason given, and releases what it held", async () => {
    const scene = new Scene()
    const tree = await scene.three("one_for_one")
    const reason = new Error("test")
    expect(tree.kill("root/b", reason)).toBe(true)
    expect(await scene.logged()).toBe("-b +b")
    expect(scene.events[0]).toMatchObject({ kind: "crashed", path: "root/b", cause: reason, willRestart: true })
    await tree.stop()
  })

  test("counts as a crash also for a transient child", async () => {
    const scene = new Scene()
    const children = [scene.children.a.specification({ restart: "transient" })]
    const tree = await scene.three("one_for_one", { children })
    tree.kill("root/a", "test")
    expect(await scene.logged()).toBe("-a +a")
    await tree.stop()
  })

  test("of a supervisor stops its children in reverse order and starts them again", async () => {
    const scene = new Scene()
    const tree = await scene.start(twoLevels(scene))
    scene.forget()
    tree.kill("root/inner", "test")
    expect(await scene.logged()).toBe("-c -b +b +c")
    await tree.stop()
  })

  test("of the root ends the tree, and says why", async () => {
    const scene = new Scene()
    const tree = await scene.three("one_for_one")
    const reason = new Error("test")
    tree.kill("root", reason)
    expect(await tree.ended).toMatchObject({ _tag: "Escalated", cause: reason })
    expect(await scene.logged()).toBe("-c -b -a")
  })

  test("is refused while there is no life, or one that is ending", async () => {
    const scene = new Scene()
    const tree = await scene.three("one_for_one")
    const { a } = scene.children
    a.isSlowToStop = true
    expect([tree.kill("root/a", "one"), tree.kill("root/a", "two")]).toEqual([true, false])
    a.isSlowToStop = false
    a.release()
    await settle()
    await tree.stop()
    expect(tree.kill("root/a", "three")).toBe(false)
  })

  test("gives up on a life that does not end within its shutdown time", async () => {
    const scene = new Scene()
    const { a } = scene.children
    const tree = await scene.three("one_for_one", { children: [a.specification({ shutdown: 100 })] })
    a.isSlowToStop = true
    tree.kill("root/a", "test")
    await settle()
    scene.clock.advance(100)
    await settle()
    expect(scene.kinds("root/a")).toEqual(["abandoned", "crashed", "started", "ready", "restarted"])
    a.isSlowToStop = false
    await tree.stop()
  })

  test("of an unknown path is a TypeError", async () => {
    const scene = new Scene()
    const tree = await scene.three("one_for_one")
    expect(() => tree.kill("root/nobody", "test")).toThrow(TypeError)
    await tree.stop()
  })
})

describe("the end of a tree", () => {
  test("resolves to undefined after an orderly stop", async () => {
    const scene = new Scene()
    const tree = await scene.three("one_for_one")
    await tree.stop()
    expect(await tree.ended).toBeUndefined()
  })

  test("may be asked for twice, and also after an escalation", async () => {
    const scene = new Scene()
    const tree = await scene.three("one_for_one", { intensity: 0 })
    await Promise.all([tree.stop(), tree.stop()])
    expect(await scene.logged()).toBe("-c -b -a")

    const other = await new Scene().three("one_for_one", { intensity: 0 })
    other.kill("root/a", "test")
    expect(await other.ended).toBeInstanceOf(Escalated)
    await other.stop()
  })

  test("leaves no timer behind", async () => {
    const scene = new Scene()
    const tree = await scene.three("one_for_one")
    scene.children.a.crash("broken")
    await settle()
    await tree.stop()
    expect(scene.clock.nextDueMs).toBeUndefined()
  })
})

describe("the listener", () => {
  test("hears every turn of a child's life, with its time", async () => {
    const scene = new Scene()
    const tree = await scene.start(one(scene.children.a.specification()))
    scene.clock.advance(250)
    scene.children.a.crash("broken")
    await settle()
    await tree.stop()
    expect(scene.events.map(({ kind, path, atMs, incarnation }) => `${atMs} ${path} ${incarnation} ${kind}`)).toEqual([
      "0 root 1 started",
      "0 root/a 1 started",
      "0 root/a 1 ready",
      "0 root 1 ready",
      "250 root/a 1 crashed",
      "250 root/a 2 started",
      "250 root/a 2 ready",
      "250 root/a 2 restarted",
      "250 root/a 2 stopped",
      "250 root 1 stopped",
    ])
  })

  test("that throws is not called again, and the tree goes on", async () => {
    const scene = new Scene()
    const failure = new Error("listener bug")
    let calls = 0
    const tree = await startTree(one(scene.children.a.specification()), new SimulatedClock(), () => {
      calls++
      throw failure
    })
    scene.children.a.crash("broken")
    expect(await scene.logged()).toBe("+a -a +a")
    expect([calls, tree.listenerFailure]).toEqual([1, failure])
    await tree.stop()
  })
})

test("a specification that cannot be honoured is refused before anything starts", async () => {
  const scene = new Scene()
  await expect(scene.start(one(scene.children.a.specification(), { intensity: -1 }))).rejects.toThrow(TypeError)
  expect(scene.log).toEqual([])
})

test("a tree that runs, and one that hangs in its stop, do not keep the process alive", () => {
  const sourceUrl = new URL("../../src/", import.meta.url).href
  const script = `
    const Effect = await import("effect/Effect")
    const { startTree } = await import("${sourceUrl}actors/supervision-tree.ts")
    const { nodeClock } = await import("${sourceUrl}platform/node/node-clock.ts")
    const run = (ready) => { ready(); return Effect.onInterrupt(Effect.never, () => Effect.never) }
    const children = ["a", "b"].map((id) => ({ id, run, shutdown: 60_000 }))
    const root = { id: "root", type: "supervisor", strategy: "one_for_one", children }
    await startTree(root, nodeClock)
    const hanging = await startTree(root, nodeClock)
    hanging.kill("root/a", new Error("test"))
    void hanging.stop()
    process.stdout.write("running")
  `
  const { status, stdout, stderr } = spawnSync(process.execPath, ["--input-type=module", "-e", script], {
    encoding: "utf8",
    timeout: 300_000,
  })
  expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: "running", stderr: "" })
})
