import { expect, test } from "vitest"
import { CursorRefused } from "../../src/model/feed-errors.ts"
import { LSN_MAX } from "../../src/model/limits.ts"
import { lsnOf } from "../../src/model/lsn.ts"
import { Cursors } from "../../src/streams/cursor.ts"
import { FeedScene, readSome, texts } from "./feed-scene.ts"

const storeId = Uint8Array.from({ length: 16 }, (_, index) => 255 - index * 17)
const cursors = new Cursors(storeId)

test("a cursor is its store and its position, and nothing that a line or a header cannot hold", () => {
  for (const lsn of [0, 1, 35, 36, 123_456_789, LSN_MAX]) {
    const cursor = cursors.at(lsnOf(lsn))
    expect(cursor).toMatch(/^[\w.-]+$/)
    expect(new Cursors(Uint8Array.from(storeId)).positionOf(cursor)).toBe(lsn)
  }
})

test("the golden form of a cursor: one that was kept anywhere must go on being understood", () => {
  expect(cursors.at(lsnOf(159))).toBe("o1._-7dzLuqmYh3ZlVEMyIRAA.4f")
  expect(cursors.unfinished).toBe("o1._-7dzLuqmYh3ZlVEMyIRAA.-")
})

test.each([
  ["another store", new Cursors(new Uint8Array(16)).at(lsnOf(1)), "belongs to another store"],
  ["a half state of another store", new Cursors(new Uint8Array(16)).unfinished, "belongs to another store"],
  ["nothing", "", "is not one"],
  ["a number", "12", "is not one"],
  ["a position behind every log", `${cursors.at(lsnOf(0)).slice(0, -1)}zzzzzzzzzz`, "is not one"],
  ["a newer version", cursors.at(lsnOf(1)).replace("o1", "o2"), "is not one"],
  ["a very long text", "x".repeat(100_000), "is not one"],
])("a cursor of %s is refused", (_, cursor, reason) => {
  expect(() => cursors.positionOf(cursor)).toThrow(CursorRefused)
  expect(() => cursors.positionOf(cursor)).toThrow(reason)
})

test("what is refused is not repeated at length", () => {
  expect(new CursorRefused("x".repeat(100_000), "is not one", "Use another").message.length).toBeLessThan(200)
})

test("each commit has the cursor that leads on behind it, and so has the stream", async () => {
  const scene = await FeedScene.open()
  for (const key of ["a", "b", "c"]) await scene.put(key)
  const stream = scene.feed.subscribe({ after: 0 })
  const [first] = await readSome(stream, 2)
  expect(await texts(scene.feed.subscribe({ after: first?.cursor ?? "" }), 2)).toEqual(['3:b="b"', '4:c="c"'])
  expect(await texts(scene.feed.subscribe({ after: stream.cursor }), 1)).toEqual(['4:c="c"'])
  expect(JSON.parse(JSON.stringify(first))).toMatchObject({ cursor: first?.cursor, changes: [{ key: "a" }] })
})

test("the beginning is the oldest commit that the log still holds", async () => {
  const scene = await FeedScene.open()
  await scene.put("a")
  expect(await texts(scene.feed.subscribe({ after: "beginning" }), 1)).toEqual(['2:a="a"'])
  const live = texts(scene.feed.subscribe({ after: "now" }), 1)
  await scene.put("b")
  expect(await live).toEqual(['3:b="b"'])
})

test.each([
  [{ after: -1 }, "after must be a position in the log"],
  [{ after: 1.5 }, "after must be a position in the log"],
  [{ after: null as never }, "after must be an LSN, a cursor"],
  [{ after: "beginning", snapshot: true }, "snapshot begins with the state of now"],
  [{ keys: [] }, "keys must be an array that is not empty"],
  [{ keys: ["a\ud800"] }, "keys must be well-formed strings"],
  [{ keys: ["a"], prefix: "a" }, "prefix and keys exclude each other"],
  [{ types: [] }, "types must be an array"],
  [{ types: ["puts"] as never }, "types must be an array"],
  [{ overflow: "drop" as never }, "overflow must be one of"],
  [{ visibility: "seen" as never }, "visibility must be"],
  [{ bufferBytes: 0 }, "bufferBytes must be a whole number from 1 on"],
  [{ before: 1 as never }, "before must be true or false"],
  [{ name: 1 as never }, "name must be a string"],
  [{ before: true }, "given by a store that is open for writing alone"],
])("wrong options are refused: %j", async (options, message) => {
  const scene = await FeedScene.open()
  expect(() => scene.feed.subscribe(options)).toThrow(TypeError)
  expect(() => scene.feed.subscribe(options)).toThrow(message)
})

test("keys beyond the bounds are refused", async () => {
  const scene = await FeedScene.open()
  expect(() => scene.feed.subscribe({ keys: ["k".repeat(5_000)] })).toThrow("the key's size in bytes is 5000")
  const keys = Array.from({ length: 100_001 }, () => "k")
  expect(() => scene.feed.subscribe({ keys })).toThrow("the number of keys is 100001")
})
