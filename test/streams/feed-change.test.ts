import { inspect } from "node:util"
import { expect, test } from "vitest"
import type { Change } from "../../src/model/change.ts"
import { lsnOf } from "../../src/model/lsn.ts"
import { ShapeRegistry } from "../../src/format/shape-registry.ts"
import { nodeCompression } from "../../src/platform/node/node-compression.ts"
import { Cursors } from "../../src/streams/cursor.ts"
import { FeedValues } from "../../src/streams/feed-change.ts"
import { compressed } from "../format/compressed-value.ts"
import { ValueScene } from "../format/value-scene.ts"
import { FeedScene, quiet, readSome } from "./feed-scene.ts"

async function oneChange(value: unknown): Promise<{ readonly scene: FeedScene; readonly change: Change }> {
  const scene = await FeedScene.open()
  const one = readSome(scene.feed.subscribe(), 1)
  // A shape is learnt when it is seen again.
  await scene.write([
    [
      { table: "t", key: "ключ 1", value },
      { table: "t", key: "ключ 2", value },
      { table: "t", key: "ключ 3", value },
    ],
  ])
  const change = (await one)[0]?.changes[2]
  if (change === undefined) throw new Error("there is no change")
  return { scene, change }
}

test("a value is decoded once: everybody gets the same object", async () => {
  const { change, scene } = await oneChange({ name: "Ada", born: new Date(0), tags: new Set(["a"]) })
  expect(scene.catalogue.shapes.count).toBe(1)
  expect(change.value).toEqual({ name: "Ada", born: new Date(0), tags: new Set(["a"]) })
  expect(change.value).toBe(change.value)
  expect(change.key).toBe("ключ 3")
})

test("an undefined that was stored is told from nothing", async () => {
  const { change } = await oneChange(null)
  expect(change.value).toBe(null)
})

test("a change is kept: later frames do not write over it", async () => {
  const { change, scene } = await oneChange({ n: 1 })
  for (let n = 0; n < 50; n++) await scene.put(`k${n}`, { n })
  expect(change).toMatchObject({ key: "ключ 3", value: { n: 1 } })
})

test("a change can be read for the first time while the log recovers, and after", async () => {
  const scene = await FeedScene.open()
  const got: Change[] = []
  scene.feed
    .subscribe()
    .observable()
    .subscribe(({ changes }) => got.push(...changes))
  for (let n = 0; n < 10; n++) await scene.put(`k${n}`, { n, name: "x" })
  scene.feed.disconnect()
  scene.catalogue.reset()
  expect(got[4]?.value).toEqual({ n: 4, name: "x" })
  expect(got[4]?.table).toBe("t")
  const { oldestLsn } = scene.log
  scene.catalogue.define(1, "t")
  scene.catalogue.shapes.define(0, ["n", "name"])
  scene.feed.connect(scene.log)
  expect(got[9]?.value).toEqual({ n: 9, name: "x" })
  expect(oldestLsn).toBe(1)
})

test("a compressed value can be read while the log recovers, too", () => {
  const values = new FeedValues(new ShapeRegistry(nodeCompression), new Cursors(new Uint8Array(16)))
  const bytes = compressed(new ValueScene().encode("again and ".repeat(50)))
  values.keep()
  expect(values.decode(bytes, 0, bytes.length)).toBe("again and ".repeat(50))
})

test("a real recovery learns the same shapes, so that older changes stay readable", async () => {
  const scene = await FeedScene.open()
  const got: Change[] = []
  scene.feed
    .subscribe({ after: lsnOf(0) })
    .observable()
    .subscribe(({ changes }) => got.push(...changes))
  for (let n = 0; n < 10; n++) await scene.put(`k${n}`, n % 2 === 0 ? { n } : { n, odd: true })
  await scene.recover()
  await scene.put("k10", { n: 10 })
  await quiet(scene.feed)
  expect(got.map(({ value }) => value)).toEqual(
    Array.from({ length: 11 }, (_, n) => (n % 2 === 0 ? { n } : { n, odd: true })),
  )
})

test("JSON.stringify and console.log show a change as the plain object that it stands for", async () => {
  const { change } = await oneChange({ n: 1 })
  const plain = { kind: "put", table: "t", key: "ключ 3", value: { n: 1 }, lsn: 2 }
  expect(JSON.parse(JSON.stringify(change))).toEqual(plain)
  expect(inspect(change)).toBe(inspect(plain))
})
