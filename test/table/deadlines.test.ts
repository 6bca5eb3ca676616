// Deadlines by key: the last one counts, and what is taken is forgotten.

import { expect, test } from "vitest"
import { Catalogue } from "../../src/table/catalogue.ts"
import { Deadlines } from "../../src/table/deadlines.ts"

const NOW_MS = Date.UTC(2026, 0, 1)
const catalogue = new Catalogue()
const sessions = catalogue.entry("sessions")
const locks = catalogue.entry("locks")

test("keys of several tables are taken in the order of their deadlines, a bounded number at a time", () => {
  const deadlines = new Deadlines(25)
  for (let n = 9; n >= 0; n--) deadlines.set({ entry: n % 2 === 0 ? sessions : locks, key: `k${n}`, atMs: NOW_MS + n })
  deadlines.advance(NOW_MS + 1_000)
  expect(deadlines.oldestDueMs).toBe(NOW_MS)
  expect(deadlines.takeDue(3).map(({ key }) => key)).toEqual(["k0", "k1", "k2"])
  expect(deadlines.count).toBe(7)
  expect(deadlines.takeDue(100).map(({ entry }) => entry.name)).toEqual(
    [3, 4, 5, 6, 7, 8, 9].map((n) => (n % 2 === 0 ? "sessions" : "locks")),
  )
  expect([deadlines.count, deadlines.oldestDueMs]).toEqual([0, undefined])
})

test("another deadline takes the place of the one before, also of one that has passed", () => {
  const deadlines = new Deadlines(25)
  deadlines.set({ entry: sessions, key: "a", atMs: NOW_MS })
  deadlines.set({ entry: locks, key: "a", atMs: NOW_MS })
  deadlines.advance(NOW_MS + 100)
  deadlines.set({ entry: sessions, key: "a", atMs: NOW_MS + 5_000 })
  expect(deadlines.takeDue(10).map(({ entry }) => entry.name)).toEqual(["locks"])
  deadlines.advance(NOW_MS + 6_000)
  expect(deadlines.takeDue(10)).toEqual([{ entry: sessions, key: "a", atMs: NOW_MS + 5_000 }])
})

test("a cancelled deadline does not come, and cancelling where there is none does nothing", () => {
  const deadlines = new Deadlines(25)
  deadlines.set({ entry: sessions, key: "a", atMs: NOW_MS })
  deadlines.set({ entry: sessions, key: "b", atMs: NOW_MS })
  deadlines.cancel(sessions, "a")
  deadlines.cancel(sessions, "a")
  deadlines.cancel(locks, "b")
  deadlines.advance(NOW_MS + 100)
  deadlines.cancel(sessions, "b")
  expect([deadlines.count, deadlines.takeDue(10)]).toEqual([0, []])
})
