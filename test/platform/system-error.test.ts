// What becomes of an error on its way from the operating system to the user, and what does not.

import { open as openFile } from "node:fs/promises"
import { describe, expect, test } from "vitest"
import { open } from "../../src/index.ts"
import { Corruption, StorageFailed } from "../../src/model/errors.ts"
import { InvariantViolation } from "../../src/model/invariant.ts"
import { systemError as nodeSystemError } from "../../src/platform/node/system-call.ts"
import { isSystemError, storageFailed, systemCodeOf } from "../../src/platform/system-error.ts"
import { SimulatedDisk } from "../../src/simulation/simulated-disk.ts"
import { simulatePlatform } from "../../src/simulation/simulated-platform.ts"
import { systemError } from "../../src/simulation/system-error.ts"
import { untilSettled } from "../property/store-history.ts"

async function realError(): Promise<unknown> {
  return openFile("/there/is/no/such/directory").catch((error: unknown) => error)
}

describe("an error of the operating system", () => {
  test.each([
    ["of the simulation", async () => systemError("EIO", "read", "/a"), "EIO"],
    ["of the lock", async () => nodeSystemError("ENOSYS", "not there", "lock", "/a"), "ENOSYS"],
    ["of the machine", realError, "ENOENT"],
    ["without a name", async () => Object.assign(new Error("?"), { code: "UNKNOWN", syscall: "read" }), "UNKNOWN"],
  ])("%s is wrapped, and kept as the cause", async (_, make, code) => {
    const error = await make()
    const wrapped = storageFailed("read", "wal-0000000001", error)
    expect(wrapped).toBeInstanceOf(StorageFailed)
    expect(wrapped).toMatchObject({ systemCode: code, operation: "read", file: "wal-0000000001", cause: error })
  })
})

describe("everything else passes unchanged", () => {
  test.each([
    ["an error of the engine", new Corruption("wal-0000000001", 0, 0, "it is bad")],
    ["a broken invariant", new InvariantViolation("I3: one order")],
    ["a defect", new TypeError("undefined is not a function")],
    ["a wrong argument for Node", Object.assign(new TypeError("no"), { code: "ERR_INVALID_ARG_TYPE" })],
    ["the reason of a signal", new DOMException("This operation was aborted", "AbortError")],
    ["something that is no error", "given up"],
    ["nothing", undefined],
  ])("%s", (_, error) => {
    expect(isSystemError(error)).toBe(false)
    expect(storageFailed("read", "wal-0000000001", error)).toBe(error)
  })

  test("an error without a code has none", () => {
    expect(systemCodeOf(new Error("no code"))).toBe("UNKNOWN")
    expect(systemCodeOf({ code: 7 })).toBe("UNKNOWN")
    expect(systemCodeOf(null)).toBe("UNKNOWN")
  })
})

describe("a defect of the platform under a store", () => {
  /** A disk on which one kind of call has a bug. */
  function brokenPlatform(call: "list" | "stat", defect: Error): ReturnType<typeof simulatePlatform> {
    const disk = new SimulatedDisk({ seed: 1, keepsTrace: false })
    if (call === "list") disk.list = () => Promise.reject(defect)
    else disk.stat = () => Promise.reject(defect)
    return simulatePlatform({ seed: 1, disk })
  }

  test.each(["list", "stat"] as const)("is met by whoever opens it as what it is: %s", async (call) => {
    const defect = new TypeError("names is not iterable")
    const platform = brokenPlatform(call, defect)
    await untilSettled(platform, platform.fileSystem.createDirectory("/data"))
    await expect(untilSettled(platform, open("/data", { platform }))).rejects.toBe(defect)
  })
})
