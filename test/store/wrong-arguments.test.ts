// Arguments that no type checker has seen: each is told by its name, with what it takes, and never as a failure of this code.

import { expect, test } from "vitest"
import { backupStore, open, restoreStore, verifyProof } from "../../src/index.ts"
import { show } from "../../src/store/option-checks.ts"
import { temporaryDirectory, temporaryStore } from "./temporary-store.ts"

const NO_SIGNAL = { signal: {} } as never

test("what is no signal is named, wherever a signal may be given", async () => {
  const store = await temporaryStore()
  const table = store.table("t")
  await table.put("key", 1)
  const past = { readOnly: true, ...(NO_SIGNAL as object) } as never
  for (const use of [
    () => store.flush(NO_SIGNAL),
    () => store.ready(NO_SIGNAL),
    () => store.checkpoint(NO_SIGNAL),
    () => store.planCheckpoint(NO_SIGNAL),
    () => store.merkleRoot(NO_SIGNAL),
    () => table.prove("key", NO_SIGNAL),
    () => table.createIndex("by", () => 1, NO_SIGNAL),
    () => store.transact(() => 1, NO_SIGNAL),
    () => store.backup("/nowhere", NO_SIGNAL),
    () => backupStore({ from: store.path, into: "/nowhere", ...(NO_SIGNAL as object) }),
    () => restoreStore({ from: store.path, into: "/nowhere", ...(NO_SIGNAL as object) }),
    () => open(store.path, NO_SIGNAL),
    () => open(store.path, past),
    () => open(store.path, { ...(past as object), follow: true } as never),
  ]) {
    await expect((async () => use())(), String(use)).rejects.toThrow(
      new TypeError("signal must be of type AbortSignal, not an object"),
    )
  }
  await store.close()
})

test("options and platforms that are none are named", async () => {
  const path = await temporaryDirectory()
  await expect(open(path, null as never)).rejects.toThrow(new TypeError("options must be an object, not null"))
  for (const platform of [0, "x", {}, []] as never[]) {
    for (const options of [{ platform }, { platform, readOnly: true }, { platform, readOnly: true, follow: true }]) {
      await expect(open(path, options as never)).rejects.toThrow(
        /^platform must be of type Platform, which has a fileSystem/,
      )
    }
  }
})

test("entries, names of indexes and keys that are none are named", async () => {
  const store = await temporaryStore()
  const table = store.table("t")
  for (const entries of [undefined, null] as never[]) {
    expect(() => table.putMany(entries)).toThrow("putMany takes entries: pairs of a key and a value")
  }
  expect(() => table.index(Symbol("name") as never)).toThrow(expect.objectContaining({ code: "ORRERY_NO_SUCH_INDEX" }))
  await expect(table.prove("x".repeat(5_000))).rejects.toMatchObject({ code: "ORRERY_LIMIT_EXCEEDED" })
  await table.put("a\ufffd", 1)
  await expect(table.prove("a\ud800")).rejects.toMatchObject({ code: "ORRERY_KEY_REFUSED" })
  const { root } = await store.merkleRoot()
  const proof = await table.prove("a\ufffd")
  expect(verifyProof(root, proof)).toBe(true)
  expect(verifyProof(root, { ...proof, key: "a\ud800" })).toBe(false)
  await store.close()
})

test("a value is shown without running any code of it", () => {
  const trap = (): never => {
    throw new Error("ran")
  }
  const proxy = new Proxy({}, { get: trap, getPrototypeOf: trap, ownKeys: trap })
  const shown = [proxy, Object.create(null), { toString: trap }, [[]], trap, Symbol("s"), 10n, "text", null].map(show)
  const texts = "an object, an object, an object, an array, a function, Symbol(s), 10"
  expect(shown).toEqual([...texts.split(", "), '"text"', "null"])
})
