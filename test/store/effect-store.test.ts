import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Stream from "effect/Stream"
import { expect, expectTypeOf, test } from "vitest"
import { changesOf, eachChange, openScoped } from "../../src/effect.ts"
import type { Commit, OrreryError, Store } from "../../src/index.ts"
import { temporaryDirectory, temporaryStore } from "./temporary-store.ts"

test("a store lives as long as the scope that it was opened in", async () => {
  const path = `${await temporaryDirectory()}/store`
  let seen: Store | undefined
  const program = Effect.gen(function* () {
    const store = yield* openScoped(path)
    seen = store
    yield* Effect.promise(() => store.table("t").put("k", 1))
    return store.status.state
  })
  expect(await Effect.runPromise(Effect.scoped(program))).toBe("open")
  expect(seen?.status.state).toBe("closed")
})

test("what opening fails with can be caught by its tag", async () => {
  const store = await temporaryStore()
  const program = Effect.scoped(openScoped(store.path)).pipe(
    Effect.map(() => "opened"),
    Effect.catchTag("StoreLocked" as never, () => Effect.succeed("locked")),
  )
  expect(await Effect.runPromise(program)).toBe("locked")
})

test("commits come as a stream, each run anew from its position, and a run that ends unsubscribes", async () => {
  const store = await temporaryStore()
  const table = store.table<number>("t")
  for (let n = 0; n < 5; n++) await table.put(`k${n}`, n)
  const commits = changesOf(table, { after: "beginning" })
  expectTypeOf(commits).toEqualTypeOf<Stream.Stream<Commit<number>, OrreryError>>()
  const keys = eachChange(commits).pipe(
    Stream.map(({ key, value }) => [key, value]),
    Stream.take(4),
    Stream.runCollect,
  )
  const expected = [0, 1, 2, 3].map((n) => [`k${n}`, n])
  expect(await Effect.runPromise(keys)).toEqual(expected)
  expect(await Effect.runPromise(keys)).toEqual(expected)
  expect(store.subscriptions()).toEqual([])
})

test("an interrupted program leaves no subscription", async () => {
  const store = await temporaryStore()
  const controller = new AbortController()
  const running = Effect.runPromiseExit(Stream.runDrain(changesOf(store)), { signal: controller.signal })
  await expect.poll(() => store.subscriptions().length).toBe(1)
  controller.abort()
  expect(Exit.isFailure(await running)).toBe(true)
  await expect.poll(() => store.subscriptions()).toEqual([])
})

test("errors of the feed are in the error channel, wrong arguments are defects", async () => {
  const store = await temporaryStore()
  const refused = Stream.runDrain(changesOf(store, { after: "o1.nonsense" })).pipe(
    Effect.catch((error) => Effect.succeed(error.code)),
  )
  expect(await Effect.runPromise(refused)).toBe("ORRERY_CURSOR_REFUSED")
  const wrong = await Effect.runPromiseExit(Stream.runDrain(changesOf(store, { after: -1 })))
  expect(Exit.hasDies(wrong)).toBe(true)
})
