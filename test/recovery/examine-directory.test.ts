// What the operating system refuses is told with what to do about it, and what is no refusal of its passes unchanged.

import { expect, test } from "vitest"
import { CannotOpen, NotAStore } from "../../src/model/errors.ts"
import { attempt, cannotOpen, examine } from "../../src/recovery/examine-directory.ts"
import { SimulatedDisk } from "../../src/simulation/simulated-disk.ts"
import { simulatePlatform } from "../../src/simulation/simulated-platform.ts"
import { systemError } from "../../src/simulation/system-error.ts"

test.each([
  ["EACCES", "the right to write"],
  ["EPERM", "the right to write"],
  ["EROFS", "the right to write"],
  ["ENOTDIR", "choose another path"],
  ["EEXIST", "choose another path"],
  ["ENOSPC", "Make room"],
  ["EMFILE", "ulimit -n"],
  ["ENFILE", "ulimit -n"],
  ["ENOSYS", "Node 22.18"],
  ["EIO", "Check the path and the disk"],
])("%s is told with what to do about it", (code, remedy) => {
  const cause = systemError(code, "open", "/data")
  const error = cannotOpen("/data", "lock", cause)
  expect(error).toBeInstanceOf(CannotOpen)
  expect(error).toMatchObject({ path: "/data", cause, remedy: expect.stringContaining(remedy) })
  expect((error as CannotOpen).summary).toContain(`could not lock it (${code})`)
})

test.each([new TypeError("a defect"), new NotAStore("/data", "a"), "text"])("%s passes as it is", async (error) => {
  await expect(attempt("/data", "read", () => Promise.reject(error))).rejects.toBe(error)
})

test("a directory is told from what stands in its place, and from what is not there", async () => {
  const disk = new SimulatedDisk()
  const platform = simulatePlatform({ seed: 1, disk })
  expect(await examine(platform, "/data")).toBe("absent")
  await disk.makeDirectory("/data")
  expect(await examine(platform, "/data")).toBe("empty")
  const file = await disk.open("/data/notes.txt", "create")
  await file.close()
  await expect(examine(platform, "/data")).rejects.toMatchObject({ _tag: "NotAStore", foreignName: "notes.txt" })
  await expect(examine(platform, "/data/notes.txt")).rejects.toThrow("it is not a directory")
  disk.failAt(disk.operations.length + 1, "EIO")
  await expect(examine(platform, "/data")).rejects.toMatchObject({ _tag: "CannotOpen" })
})
