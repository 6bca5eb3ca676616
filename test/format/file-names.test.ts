// Names of files: what is built is parsed back, and everything else is somebody else's.

import { expect, test } from "vitest"
import {
  AUDIT_FILE,
  AUDIT_PREVIOUS_FILE,
  LOCK_FILE,
  MANIFEST_FILES,
  MANIFEST_NEW_FILE,
  meaningOf,
  segmentFile,
  spareFile,
} from "../../src/format/file-names.ts"

test("names that are built are parsed back", () => {
  for (const number of [1, 9, 10, 4_294_967_295, 9_999_999_999]) {
    expect(meaningOf(segmentFile(number))).toEqual({ kind: "segment", segment: number })
    expect(meaningOf(spareFile(number))).toEqual({ kind: "spare", number })
  }
  expect(MANIFEST_FILES.map(meaningOf)).toEqual([
    { kind: "manifest", copy: 0 },
    { kind: "manifest", copy: 1 },
  ])
  expect(meaningOf(MANIFEST_NEW_FILE)).toEqual({ kind: "manifest-new" })
  for (const name of [LOCK_FILE, `${LOCK_FILE}.owner`, `${LOCK_FILE}-journal`])
    expect(meaningOf(name)).toEqual({ kind: "lock" })
  for (const name of [AUDIT_FILE, AUDIT_PREVIOUS_FILE]) expect(meaningOf(name)).toEqual({ kind: "audit" })
})

test("names sort like their numbers", () => {
  const names = [1, 2, 9, 10, 99, 100, 4_294_967_295].map(segmentFile)
  expect(names.toSorted()).toEqual(names)
})

test("every other name means nothing", () => {
  const others = [
    "",
    "wal-1",
    "wal-00000000001",
    "wal-000000000a",
    "wal-0000000001.tmp",
    "xwal-0000000001",
    "WAL-0000000001",
  ]
  others.push(
    "spare-1",
    "spare-0000000001~",
    "manifest",
    "manifest-2",
    "manifest-0 ",
    "manifest.old",
    "LOCKED",
    "audit",
    "audit.2.log",
    "lock",
    ".",
  )
  for (const name of others) expect(meaningOf(name), name).toBeUndefined()
})
