// The lock against real processes and threads.

import { fork, spawnSync, type ChildProcess } from "node:child_process"
import { once } from "node:events"
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs"
import { hostname, tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { Worker } from "node:worker_threads"
import { afterEach, beforeEach, describe, expect, test } from "vitest"
import { lockDirectory, networkFileSystemOf } from "../../src/platform/node/node-lock.ts"
import { held } from "./file-system-contract.ts"

const attemptUrl = new URL("lock-attempt.ts", import.meta.url)
const attemptPath = fileURLToPath(attemptUrl)
const hasChattr = canMakeImmutable()

let directory: string
let ownerPath: string
let children: ChildProcess[]
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "orrery-lock-"))
  ownerPath = join(directory, "LOCK.owner")
  children = []
})
afterEach(() => {
  for (const child of children) child.kill("SIGKILL")
  spawnSync("chattr", ["-R", "-i", directory])
  rmSync(directory, { recursive: true, force: true })
})

describe("between processes", () => {
  test("fault 23: a lock is refused to another process, which learns whose it is and since when", async () => {
    const { child, outcome } = await attemptInProcess()
    expect(outcome).toBe("locked")
    const refusal = await lockDirectory(directory, "LOCK")
    const heldBy = "heldBy" in refusal ? refusal.heldBy : "nobody"
    expect(heldBy).toMatch(new RegExp(`^pid ${child.pid} on host ${hostname()} since \\d{4}-\\d\\d-\\d\\dT[\\d:.]+Z$`))
  })

  test("fault 24: a lock is free the moment its process is killed", async () => {
    const { child } = await attemptInProcess()
    child.kill("SIGKILL")
    await once(child, "exit")
    expect(existsSync(ownerPath)).toBe(true)
    const lock = held(await lockDirectory(directory, "LOCK"))
    expect(readFileSync(ownerPath, "utf8")).toContain(`pid ${process.pid} `)
    await lock.release()
  })

  test("a process that was refused once gets the lock after release", async () => {
    const lock = held(await lockDirectory(directory, "LOCK"))
    expect((await attemptInProcess()).outcome).toMatch(`refused: pid ${process.pid} on host`)
    await lock.release()
    expect((await attemptInProcess()).outcome).toBe("locked")
  })

  test("nothing is printed, whatever Node thinks of node:sqlite", () => {
    const result = spawnSync(process.execPath, [attemptPath, directory], { encoding: "utf8" })
    expect(result).toMatchObject({ stdout: "locked\n", stderr: "", status: 0 })
  })
})

describe("inside one process", () => {
  test("a lock is refused to the same thread through a symbolic link", async () => {
    const lock = held(await lockDirectory(directory, "LOCK"))
    const link = `${directory}-link`
    symlinkSync(directory, link)
    const refusal = await lockDirectory(link, "LOCK")
    rmSync(link)
    expect(refusal).toHaveProperty("heldBy")
    await lock.release()
  })

  test("a lock is refused to another thread, which has its own copy of every module", async () => {
    const lock = held(await lockDirectory(directory, "LOCK"))
    expect(await attemptInThread()).toMatch(`refused: pid ${process.pid} on host`)
    // The refused attempt must not have taken the lock away: POSIX locks go when any descriptor of the file is closed.
    expect((await attemptInProcess()).outcome).toMatch("refused: pid")
    await lock.release()
    expect(await attemptInThread()).toBe("locked")
  })

  test("refused attempts leave the lock in force for other processes", async () => {
    const lock = held(await lockDirectory(directory, "LOCK"))
    for (let count = 0; count < 3; count++) expect(await lockDirectory(directory, "LOCK")).toHaveProperty("heldBy")
    expect((await attemptInProcess()).outcome).toMatch("refused: pid")
    await lock.release()
  })
})

describe("the owner", () => {
  test("is written beside the lock while it is held, and is gone with it", async () => {
    const lock = held(await lockDirectory(directory, "LOCK"))
    expect(readdirSync(directory).sort()).toEqual(["LOCK", "LOCK.owner"])
    await lock.release()
    expect(readdirSync(directory)).toEqual(["LOCK"])
    expect(statSync(join(directory, "LOCK")).size).toBe(0)
  })

  test.each([
    ["is missing", undefined],
    ["is not an owner's", "x".repeat(1000)],
    [
      "names a process of this machine that has ended",
      `pid 4194999 on host ${hostname()} since 2026-01-01T00:00:00.000Z\n`,
    ],
  ])("is 'an unknown process' where the file %s", async (_, text) => {
    const lock = held(await lockDirectory(directory, "LOCK"))
    if (text === undefined) rmSync(ownerPath)
    else writeFileSync(ownerPath, text)
    expect(await lockDirectory(directory, "LOCK")).toEqual({ heldBy: "an unknown process" })
    await lock.release()
  })

  test("of another host is named, whether or not the process is known here", async () => {
    const lock = held(await lockDirectory(directory, "LOCK"))
    writeFileSync(ownerPath, "pid 4194999 on host elsewhere since 2026-01-01T00:00:00.000Z\n")
    const heldBy = "pid 4194999 on host elsewhere since 2026-01-01T00:00:00.000Z"
    expect(await lockDirectory(directory, "LOCK")).toEqual({ heldBy })
    await lock.release()
  })
})

describe("what is no lock", () => {
  test("a directory in the place of the file fails, and is not called locked", async () => {
    mkdirSync(join(directory, "LOCK"))
    await expect(lockDirectory(directory, "LOCK")).rejects.toMatchObject({
      code: "EEXIST",
      path: join(directory, "LOCK"),
    })
  })

  test("a file of another kind in its place fails, and stays as it is", async () => {
    const foreign = "not a database ".repeat(100)
    writeFileSync(join(directory, "LOCK"), foreign)
    await expect(lockDirectory(directory, "LOCK")).rejects.toMatchObject({ code: "EEXIST" })
    expect(readFileSync(join(directory, "LOCK"), "utf8")).toBe(foreign)
  })

  test("a process without free descriptors fails with EMFILE", () => {
    const command = `ulimit -n 64 && exec ${process.execPath} ${attemptPath} ${directory} exhaust`
    const result = spawnSync("sh", ["-c", command], { encoding: "utf8" })
    expect(result.stdout).toBe("failed: EMFILE\n")
  })

  // Needs root and a file system with attributes, for root is refused nothing else.
  test.runIf(hasChattr)("a directory that must not be written fails with the system's error", async () => {
    spawnSync("chattr", ["+i", directory])
    await expect(lockDirectory(directory, "LOCK")).rejects.toMatchObject({ code: "EPERM" })
  })

  test.runIf(hasChattr)("a lock file that must not be written fails with the system's error", async () => {
    await held(await lockDirectory(directory, "LOCK")).release()
    spawnSync("chattr", ["+i", join(directory, "LOCK")])
    await expect(lockDirectory(directory, "LOCK")).rejects.toMatchObject({ code: "EPERM" })
  })
})

test.each([
  [0x6969, "NFS"],
  [0x517b, "SMB"],
  [0xff534d42, "CIFS"],
  // The same, as a system with 32-bit numbers reports it.
  [0xff534d42 | 0, "CIFS"],
  [0xfe534d42, "SMB2"],
  [0xef53, undefined],
  [0x01021994, undefined],
])("a file system of type %i is %s", (type, kind) => {
  expect(networkFileSystemOf(type)).toBe(kind)
})

async function attemptInProcess(): Promise<{ readonly child: ChildProcess; readonly outcome: unknown }> {
  const child = fork(attemptPath, [directory])
  children.push(child)
  const [outcome] = await once(child, "message")
  return { child, outcome }
}

async function attemptInThread(): Promise<unknown> {
  const worker = new Worker(attemptUrl, { workerData: directory })
  const [outcome] = await once(worker, "message")
  await worker.terminate()
  return outcome
}

function canMakeImmutable(): boolean {
  const folder = mkdtempSync(join(tmpdir(), "orrery-chattr-"))
  const path = join(folder, "a")
  writeFileSync(path, "")
  const isMade = spawnSync("chattr", ["+i", path]).status === 0
  spawnSync("chattr", ["-i", path])
  rmSync(folder, { recursive: true })
  return isMade
}
