import * as Effect from "effect/Effect"
import { describe, expect, test } from "vitest"
import type { Restart, SupervisorSpecification } from "../../src/actors/child-specification.ts"
import { Escalated } from "../../src/model/errors.ts"
import { settle } from "./scripted-child.ts"
import { one, Scene } from "./supervision-scene.ts"

describe("starting", () => {
  test("children start in order, each only when the one before it is ready", async () => {
    const scene = new Scene()
    const { a, b } = scene.children
    a.isReadyAtOnce = false
    const starting = scene.start({ ...one(a.specification()), children: [a.specification(), b.specification()] })
    expect(await scene.logged()).toBe("+a")
    a.ready()
    await starting
    expect(await scene.logged()).toBe("+b")
  })

  test("a child that fails to start fails the tree with its own error, after the others were stopped", async () => {
    const scene = new Scene()
    const { a, b, c } = scene.children
    const cause = new RangeError("no such disk")
    c.startFailures.push(cause)
    const children = [a.specification(), b.specification(), c.specification()]
    await expect(scene.start({ ...one(a.specification()), children })).rejects.toBe(cause)
    expect(scene.log.join(" ")).toBe("+a +b +c -c -b -a")
  })

  test("a child that fails to start deep in the tree fails it with its own error too", async () => {
    const scene = new Scene()
    const { a, b } = scene.children
    const cause = new RangeError("no such disk")
    b.startFailures.push(cause)
    const inner: SupervisorSpecification = { ...one(b.specification()), id: "inner" }
    await expect(scene.start({ ...one(inner), children: [a.specification(), inner] })).rejects.toBe(cause)
    expect(scene.log.join(" ")).toBe("+a +b -b -a")
  })

  test("a life whose making throws counts as a failed start", async () => {
    const scene = new Scene()
    const cause = new Error("thrown while the effect was made")
    const run = (): Effect.Effect<void> => {
      throw cause
    }
    await expect(scene.start(one({ id: "thrower", run }))).rejects.toBe(cause)
  })

  test("a temporary child that fails to start fails the tree as well", async () => {
    const scene = new Scene()
    scene.children.a.startFailures.push("refused")
    await expect(scene.start(one(scene.children.a.specification({ restart: "temporary" })))).rejects.toBe("refused")
  })
})

describe("one_for_one", () => {
  test("restarts the crashed child alone", async () => {
    const scene = new Scene()
    const tree = await scene.three("one_for_one")
    scene.children.b.crash("broken")
    expect(await scene.logged()).toBe("-b +b")
    await tree.stop()
  })

  test("restarts after a defect as after a failure", async () => {
    const scene = new Scene()
    const tree = await scene.three("one_for_one")
    scene.children.b.throwDefect(new TypeError("bug"))
    expect(await scene.logged()).toBe("-b +b")
    await tree.stop()
  })

  test("restarts several that crash in the same turn, in the order in which they crashed", async () => {
    const scene = new Scene()
    const tree = await scene.three("one_for_one")
    scene.children.c.crash("first")
    scene.children.a.crash("second")
    expect(await scene.logged()).toBe("-c -a +c +a")
    await tree.stop()
  })
})

describe("one_for_all", () => {
  test("stops the others in reverse order and starts all in order", async () => {
    const scene = new Scene()
    const tree = await scene.three("one_for_all")
    scene.children.b.crash("broken")
    expect(await scene.logged()).toBe("-b -c -a +a +b +c")
    await tree.stop()
  })

  test("answers two crashes of the same turn with one restart", async () => {
    const scene = new Scene()
    const tree = await scene.three("one_for_all", { intensity: 1 })
    scene.children.a.crash("one")
    scene.children.b.crash("two")
    expect(await scene.logged()).toBe("-a -b -c +a +b +c")
    expect(scene.kinds("root/b")).toEqual(["crashed", "started", "ready", "restarted"])
    await tree.stop()
  })

  test("starts a transient sibling again that had exited, and leaves a temporary one out", async () => {
    const scene = new Scene()
    const { a, b, c } = scene.children
    const children = [
      a.specification(),
      b.specification({ restart: "transient" }),
      c.specification({ restart: "temporary" }),
    ]
    const tree = await scene.three("one_for_all", { children })
    b.exit()
    expect(await scene.logged()).toBe("-b")
    a.crash("broken")
    expect(await scene.logged()).toBe("-a -c +a +b")
    await tree.stop()
  })

  test("starts from the first child again when one of them fails to start in the restart", async () => {
    const scene = new Scene()
    const tree = await scene.three("one_for_all")
    scene.children.b.startFailures.push("not yet")
    scene.children.c.crash("broken")
    expect(await scene.logged()).toBe("-c -b -a +a +b -b -a +a +b +c")
    await tree.stop()
  })
})

describe("rest_for_one", () => {
  test("stops the children after the crashed one in reverse order and starts them in order", async () => {
    const scene = new Scene()
    const tree = await scene.three("rest_for_one")
    scene.children.a.crash("broken")
    expect(await scene.logged()).toBe("-a -c -b +a +b +c")
    scene.children.b.crash("broken")
    expect(await scene.logged()).toBe("-b -c +b +c")
    scene.children.c.crash("broken")
    expect(await scene.logged()).toBe("-c +c")
    await tree.stop()
  })

  test("goes on from the child that fails to start in the restart, and leaves those before it alone", async () => {
    const scene = new Scene()
    const tree = await scene.three("rest_for_one")
    scene.children.b.startFailures.push("not yet", "still not")
    scene.children.a.crash("broken")
    expect(await scene.logged()).toBe("-a -c -b +a +b -b +b -b +b +c")
    await tree.stop()
  })
})

describe("restart types", () => {
  const cases: readonly [Restart, "crash" | "exit" | "interruptItself", string][] = [
    ["permanent", "crash", "-a +a"],
    ["permanent", "exit", "-a +a"],
    ["permanent", "interruptItself", "-a +a"],
    ["transient", "crash", "-a +a"],
    ["transient", "exit", "-a"],
    ["transient", "interruptItself", "-a"],
    ["temporary", "crash", "-a"],
    ["temporary", "exit", "-a"],
    ["temporary", "interruptItself", "-a"],
  ]
  test.each(cases)("a %s child after %s: %s", async (restart, end, expected) => {
    const scene = new Scene()
    const { a } = scene.children
    const tree = await scene.start(one(a.specification({ restart })))
    scene.forget()
    if (end === "crash") a.crash("broken")
    else a[end]()
    expect(await scene.logged()).toBe(expected)
    expect(tree.children()[1]?.status).toBe(expected === "-a" ? "stopped" : "running")
    await tree.stop()
  })

  test("a child that exits before it is ready has started, and is treated by its restart type", async () => {
    const scene = new Scene()
    const tree = await scene.start(one({ id: "brief", restart: "transient", run: () => Effect.void }))
    await settle()
    expect(scene.kinds("root/brief")).toEqual(["started", "exited"])
    await tree.stop()
  })
})

describe("restart intensity", () => {
  test("ten crashes within 60 s are restarted, the eleventh escalates and stops everything", async () => {
    const scene = new Scene()
    const tree = await scene.three("one_for_one", { intensity: 10, periodMs: 60_000 })
    for (let crash = 1; crash <= 10; crash++) {
      scene.clock.advance(5_000)
      scene.children.b.crash(`crash ${crash}`)
      expect(await scene.logged()).toBe("-b +b")
    }
    const last = new Error("crash 11")
    scene.children.b.crash(last)
    expect(await scene.logged()).toBe("-b -c -a")
    const reason = await tree.ended
    expect(reason).toBeInstanceOf(Escalated)
    expect(reason).toMatchObject({ supervisor: "root", child: "b", cause: last })
  })

  test("crashes spread over more than the period never escalate", async () => {
    const scene = new Scene()
    const tree = await scene.three("one_for_one", { intensity: 10, periodMs: 60_000 })
    for (let crash = 0; crash < 50; crash++) {
      scene.clock.advance(6_001)
      scene.children.b.crash("broken")
      expect(await scene.logged()).toBe("-b +b")
    }
    await tree.stop()
  })

  test("is shared by all children of a supervisor", async () => {
    const scene = new Scene()
    const tree = await scene.three("one_for_one", { intensity: 2 })
    for (const child of [scene.children.a, scene.children.b, scene.children.c]) {
      child.crash("broken")
      await settle()
    }
    expect(await tree.ended).toMatchObject({ child: "c" })
  })

  test("0 escalates at the first crash", async () => {
    const scene = new Scene()
    const tree = await scene.three("one_for_all", { intensity: 0 })
    scene.children.a.crash("broken")
    expect(await scene.logged()).toBe("-a -c -b")
    expect(await tree.ended).toBeInstanceOf(Escalated)
  })

  test("counts the normal exits of permanent children, and does not count children that stay down", async () => {
    const scene = new Scene()
    const { a, b, c } = scene.children
    const children = [
      a.specification(),
      b.specification({ restart: "temporary" }),
      c.specification({ restart: "transient" }),
    ]
    const tree = await scene.three("one_for_one", { intensity: 1, children })
    b.crash("gone")
    c.exit()
    a.exit()
    expect(await scene.logged()).toBe("-b -c -a +a")
    a.exit()
    expect(await scene.logged()).toBe("-a")
    expect(await tree.ended).toMatchObject({ child: "a" })
  })

  test("counts every start that fails in a restart, until it escalates", async () => {
    const scene = new Scene()
    const tree = await scene.three("one_for_one", { intensity: 3 })
    scene.children.b.startFailures.push("one", "two", "three", "four")
    scene.children.b.crash("broken")
    expect(await scene.logged()).toBe("-b +b -b +b -b +b -b -c -a")
    expect(await tree.ended).toMatchObject({ child: "b", cause: "three" })
    const crashes = scene.events.flatMap((event) =>
      event.kind === "crashed" && event.path === "root/b" ? [event] : [],
    )
    expect(crashes.map(({ cause, willRestart }) => `${String(cause)} ${willRestart}`)).toEqual([
      "broken true",
      "one true",
      "two true",
      "three false",
    ])
  })
})

describe("escalation", () => {
  function nested(
    scene: Scene,
    intensity: { readonly inner: number; readonly outer: number },
  ): SupervisorSpecification {
    const { a, b, c } = scene.children
    const inner: SupervisorSpecification = {
      id: "inner",
      type: "supervisor",
      strategy: "one_for_one",
      intensity: intensity.inner,
      children: [b.specification(), c.specification()],
    }
    return {
      id: "root",
      type: "supervisor",
      strategy: "rest_for_one",
      intensity: intensity.outer,
      children: [a.specification(), inner, scene.children.d.specification()],
    }
  }

  test("a supervisor that gives up is restarted by its parent, by the parent's strategy", async () => {
    const scene = new Scene()
    const tree = await scene.start(nested(scene, { inner: 0, outer: 1 }))
    scene.forget()
    scene.children.b.crash("broken")
    expect(await scene.logged()).toBe("-b -c -d +b +c +d")
    expect(scene.kinds("root/inner")).toEqual(["escalated", "crashed", "started", "ready", "restarted"])
    await tree.stop()
  })

  test("goes on up to the root, which keeps the chain of causes", async () => {
    const scene = new Scene()
    const tree = await scene.start(nested(scene, { inner: 0, outer: 0 }))
    scene.forget()
    const cause = new Error("the disk is gone")
    scene.children.b.crash(cause)
    expect(await scene.logged()).toBe("-b -c -d -a")
    expect(await tree.ended).toMatchObject({
      supervisor: "root",
      child: "inner",
      cause: { _tag: "Escalated", supervisor: "root/inner", child: "b", cause },
    })
  })

  test("a restarted supervisor counts from nothing", async () => {
    const scene = new Scene()
    const tree = await scene.start(nested(scene, { inner: 1, outer: 5 }))
    scene.forget()
    for (let round = 0; round < 2; round++) {
      scene.children.b.crash("one")
      expect(await scene.logged()).toBe("-b +b")
      scene.children.b.crash("two")
      expect(await scene.logged()).toBe("-b -c -d +b +c +d")
    }
    await tree.stop()
  })
})
