import { describe, expect, test } from "vitest"
import { VersionCursor } from "../../src/table/version-cursor.ts"
import { checkTable } from "./check-table.ts"
import { VersionedTable } from "./versioned-table.ts"

/** Numbers below `below`, from a seed. */
function random(seed: number): (below: number) => number {
  let state = seed | 1
  return (below) => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) % below
  }
}

function filled(count: number): VersionedTable {
  const made = new VersionedTable()
  for (let n = 0; n < count; n++) made.put(`k${n}`, 50)
  made.apply()
  return made
}

describe("versions", () => {
  test("a snapshot reads a key as it was before it was overwritten, with the same size and with another", () => {
    const made = filled(3)
    const snapshot = made.snapshot()
    made.put("k0", 50)
    made.put("k1", 500)
    made.check(snapshot.lsn, snapshot)
    made.check(made.lsn)
    expect(made.table.versions?.count).toBe(2)
  })

  test("a key that was deleted and put again is right at every snapshot between", () => {
    const made = filled(1)
    const snapshots = [made.snapshot()]
    for (const step of ["delete", "put", "put", "delete", "delete", "put"]) {
      if (step === "put") made.put("k0", 50 + snapshots.length)
      else made.delete("k0")
      snapshots.push(made.snapshot())
    }
    for (const snapshot of snapshots) made.check(snapshot.lsn, snapshot)
    expect(snapshots.map(({ lsn }) => made.stateAt(lsn).size)).toEqual([1, 0, 1, 1, 0, 0, 1])
  })

  test("without a snapshot nothing is kept", () => {
    const made = filled(10)
    made.snapshot()
    made.close(0)
    const before = made.table.metrics()
    for (let n = 0; n < 10; n++) made.put(`k${n}`, 50)
    made.apply()
    expect(made.table.metrics()).toEqual(before)
  })

  test("a record that is newer than every snapshot is overwritten in place", () => {
    const made = filled(1)
    made.snapshot()
    for (let round = 0; round < 100; round++) {
      made.put("k0", 50)
      made.put("new", 50)
      made.apply()
    }
    expect(made.table.versions?.count).toBe(1)
  })

  test("what only the middle one of three snapshots reads is released when that one closes", () => {
    const made = filled(1)
    made.snapshot()
    made.put("k0", 51)
    made.snapshot()
    made.put("k0", 52)
    made.snapshot()
    made.put("k0", 53)
    made.apply()
    expect(made.table.versions?.count).toBe(3)
    made.close(1)
    made.purge()
    expect(made.table.versions?.count).toBe(2)
    for (const snapshot of made.open) made.check(snapshot.lsn, snapshot)
  })

  test("a snapshot that is open beside many short ones keeps one version a key, however often that is overwritten", () => {
    const made = filled(10)
    made.snapshot()
    for (let round = 0; round < 50; round++) {
      for (let n = 0; n < 10; n++) made.put(`k${n}`, 50)
      made.snapshot()
      made.close(1)
      made.purge()
    }
    expect(made.table.versions?.count).toBe(10)
    made.check(made.open[0]?.lsn ?? -1, made.open[0])
  })

  test("versions that wait for their release are seen by nobody", () => {
    const made = filled(100)
    made.snapshot()
    for (let n = 0; n < 100; n++) made.delete(`k${n}`)
    made.apply()
    made.close(0)
    const later = made.snapshot()
    expect(made.table.versions?.count).toBe(100)
    made.check(later.lsn, later)
    made.put("k5", 10)
    made.check(later.lsn, later)
  })

  test("their bytes are told apart from live and dead ones, and come back", () => {
    const made = filled(1000)
    const before = made.table.metrics()
    made.snapshot()
    for (let n = 0; n < 1000; n++) made.put(`k${n}`, 50)
    made.apply()
    const { liveBytes, versionBytes, deadBytes } = made.table.metrics()
    expect({ liveBytes, deadBytes }).toEqual({ liveBytes: before.liveBytes, deadBytes: before.deadBytes })
    expect(versionBytes).toBe(before.liveBytes)
    expect(made.retention.bytes).toBeGreaterThan(versionBytes)
    made.close(0)
    made.purge()
    expect(made.table.metrics().versionBytes).toBe(0)
    expect(made.retention.bytes).toBe(0)
    while (made.table.compactStep(100));
    expect(made.table.metrics().allocatedBytes).toBeLessThan(before.allocatedBytes * 1.2)
    checkTable(made.table)
  })

  test("a step of releasing looks at no more versions than it was told", () => {
    const made = filled(1000)
    made.snapshot()
    for (let n = 0; n < 1000; n++) made.delete(`k${n}`)
    made.apply()
    made.close(0)
    let left = made.table.versions?.count ?? 0
    while (made.retention.purgeStep(10)) {
      const count = made.table.versions?.count ?? 0
      expect(left - count).toBeLessThanOrEqual(10)
      left = count
    }
    expect(made.table.versions?.count).toBe(0)
  })

  test("above the bound the oldest snapshot is ended, and memory stays near the bound", () => {
    const made = new VersionedTable(20_000)
    for (let n = 0; n < 100; n++) made.put(`k${n}`, 50)
    const first = made.snapshot()
    for (let round = 0; round < 50; round++) {
      for (let n = 0; n < 100; n++) made.put(`k${n}`, 50)
      made.snapshot()
      expect(made.retention.bytes).toBeLessThan(30_000)
    }
    expect(first.ended).toBe("memory")
    const last = made.open.at(-1)
    expect(last?.ended).toBeUndefined()
    expect(made.retention.expiredCount).toBeGreaterThan(40)
    for (const snapshot of made.open) if (snapshot.ended === undefined) made.check(snapshot.lsn, snapshot)
  })

  test("whether a table has changed behind a snapshot is known, also when later snapshots came and went", () => {
    const made = filled(3)
    const first = made.snapshot()
    const { versions } = made.table
    if (versions === undefined) throw new Error("the table has no versions")
    const changed = (): boolean => made.retention.hasChanged(versions, first)
    expect(changed()).toBe(false)
    made.lsn++
    made.snapshot()
    expect(changed()).toBe(false)
    made.put("another", 10)
    made.apply()
    expect(changed()).toBe(true)
    made.close(1)
    expect(changed()).toBe(true)
    expect(made.retention.countAt(versions, made.table.count, first)).toBe(3)
  })

  test("a walk at a snapshot meets every key of it once, though all are overwritten and deleted meanwhile", () => {
    const made = filled(5000)
    const snapshot = made.snapshot()
    const cursor = new VersionCursor(made.table, snapshot)
    const keys: string[] = []
    let n = 0
    while (cursor.next()) {
      keys.push(...cursor.keys)
      expect(cursor.keys.length).toBeLessThan(1200)
      for (const end = n + 600; n < end && n < 5000; n++) {
        if (n % 3 === 0) made.delete(`k${n}`)
        else made.put(`k${n}`, n % 200)
        made.put(`new${n}`, 10)
      }
      made.apply()
      made.table.compactStep(100)
    }
    expect(n).toBe(5000)
    expect(keys.toSorted()).toEqual(Array.from({ length: 5000 }, (_, k) => `k${k}`).toSorted())
  })
})

describe("a table beside a model of all that was ever written", () => {
  const hashings: Readonly<Record<string, (even: number) => number>> = {
    even: (even) => even,
    few: (even) => Math.imul(even & 7, 0x08080808) >>> 0,
    one: () => 0x9abcdef0,
  }

  test.each([
    ["even", 0, 0],
    ["even", 300, 1000],
    ["even", 300, 10],
    ["few", 0, 0],
    ["few", 100, 1000],
    ["one", 0, 0],
  ] as const)(
    "hashes %s, %i records in packed memory, entered %i at a time: right at every snapshot",
    (hashing, packed, rangeCount) => {
      let moved = 0
      let kept = 0
      for (let seed = 1; seed <= 4; seed++) {
        const dice = random(seed * 7919)
        const made = new VersionedTable(seed % 4 === 0 ? 8_000 : undefined, hashings[hashing])
        if (packed > 0) made.loadPacked(packed, rangeCount)
        const keyCount = hashing === "one" ? 100 : 200
        for (let step = 0; step < 1200; step++) {
          const key = `k${dice(keyCount)}`
          if (dice(3) === 0) made.delete(key)
          else made.put(key, dice(20) === 0 ? 60_000 + dice(20_000) : dice(120))
          const what = dice(100)
          if (what < 10) made.apply()
          else if (what < 16) made.snapshot()
          else if (what < 22 && made.open.length > 0) made.close(dice(made.open.length))
          else if (what < 26) made.retention.purgeStep(1 + dice(20))
          else if (what < 36) {
            made.apply()
            made.table.compactStep(1 + dice(50))
          } else if (what < 40) {
            const snapshot = made.open[dice(made.open.length + 1)]
            if (snapshot !== undefined && snapshot.ended === undefined) made.checkKey(key, snapshot.lsn)
          }
          if (step % 300 === 299) {
            for (const snapshot of made.open) if (snapshot.ended === undefined) made.check(snapshot.lsn, snapshot)
            made.check(made.lsn)
          }
        }
        kept += made.table.versions?.count ?? 0
        moved += made.table.metrics().movedRecords
        while (made.open.length > 0) {
          made.close(dice(made.open.length))
          made.retention.purgeStep(dice(100))
          for (const snapshot of made.open) if (snapshot.ended === undefined) made.check(snapshot.lsn, snapshot)
        }
        made.purge()
        expect(made.retention.bytes).toBe(0)
        expect(made.table.versions?.count).toBe(0)
        made.check(made.lsn)
        checkTable(made.table)
      }
      expect(kept).toBeGreaterThan(0)
      if (hashing !== "one") expect(moved).toBeGreaterThan(0)
    },
  )
})
