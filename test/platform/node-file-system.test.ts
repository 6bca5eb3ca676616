// The real file system: the common contract on real files, and what only a real process can show.

import { execFileSync, spawnSync } from "node:child_process"
import { mkdtempSync, readFileSync, readdirSync, readlinkSync, rmSync, symlinkSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterEach, beforeEach, describe, expect, test } from "vitest"
import { nodeFileSystem } from "../../src/platform/node/node-file-system.ts"
import { callSystem } from "../../src/platform/node/system-call.ts"
import { bytesOf, describeFileSystem } from "./file-system-contract.ts"

const O_DSYNC = 0o10000
const isLinux = process.platform === "linux"
const hasStrace = spawnSync("strace", ["-f", "-o", "/dev/null", "true"]).status === 0

describeFileSystem("the node file system", async () => {
  const directory = mkdtempSync(join(tmpdir(), "orrery-files-"))
  return {
    fileSystem: nodeFileSystem,
    directory,
    end: async () => rmSync(directory, { recursive: true, force: true }),
  }
})

describe("the node file system on this machine", () => {
  let directory: string
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "orrery-files-"))
  })
  afterEach(() => {
    rmSync(directory, { recursive: true, force: true })
  })

  test.runIf(isLinux)("opens a file to write with a second descriptor for synced writes, and closes both", async () => {
    const path = join(directory, "a")
    const file = await nodeFileSystem.open(path, "create")
    expect(descriptorFlagsOf(path).map((flags) => (flags & O_DSYNC) !== 0)).toEqual([false, true])
    await file.close()
    expect(descriptorFlagsOf(path)).toEqual([])
  })

  test.runIf(isLinux)("opens a file to read with one descriptor", async () => {
    const path = join(directory, "a")
    await (await nodeFileSystem.open(path, "create")).close()
    const file = await nodeFileSystem.open(path, "read")
    expect(descriptorFlagsOf(path)).toHaveLength(1)
    await file.close()
  })

  test("close waits for the write that is on its way", async () => {
    const file = await nodeFileSystem.open(join(directory, "a"), "create")
    const ended: string[] = []
    await Promise.all([
      file.write(new Uint8Array(32 * 1024 * 1024).fill(1), 0).then(() => ended.push("write")),
      file.close().then(() => ended.push("close")),
    ])
    expect(ended).toEqual(["write", "close"])
  })

  test("a closed handle does not reach another file that has its descriptor's number now", async () => {
    const first = await nodeFileSystem.open(join(directory, "a"), "create")
    await first.close()
    const second = await nodeFileSystem.open(join(directory, "b"), "create")
    await expect(first.write(bytesOf(1), 0)).rejects.toMatchObject({ code: "EBADF" })
    await expect(first.writeSynced(bytesOf(1), 0)).rejects.toMatchObject({ code: "EBADF" })
    await expect(first.truncate(5)).rejects.toMatchObject({ code: "EBADF" })
    expect(await second.size()).toBe(0)
    await second.close()
  })

  test("a link counts as what it leads to, and as something else when it leads nowhere", async () => {
    await (await nodeFileSystem.open(join(directory, "a"), "create")).close()
    symlinkSync(join(directory, "a"), join(directory, "good"))
    symlinkSync(join(directory, "nowhere"), join(directory, "bad"))
    expect(await nodeFileSystem.stat(join(directory, "good"))).toMatchObject({ kind: "file" })
    expect(await nodeFileSystem.stat(join(directory, "bad"))).toMatchObject({ kind: "other" })
  })

  test("freeBytes is a number of bytes, and undefined where nothing is known", async () => {
    expect(await nodeFileSystem.freeBytes(directory)).toBeGreaterThan(0)
    expect(await nodeFileSystem.freeBytes(join(directory, "nowhere"))).toBeUndefined()
  })

  test("totalBytes is a number of bytes, not below what is free, and undefined where nothing is known", async () => {
    const total = await nodeFileSystem.totalBytes(directory)
    expect(total).toBeGreaterThanOrEqual((await nodeFileSystem.freeBytes(directory)) ?? Infinity)
    expect(await nodeFileSystem.totalBytes(join(directory, "nowhere"))).toBeUndefined()
  })

  test("fault 16: a call that a signal interrupts is started again", async () => {
    let startCount = 0
    const result = await callSystem<number>("a", (done) => {
      startCount++
      if (startCount < 3) done(Object.assign(new Error("interrupted"), { code: "EINTR" }), 0)
      else done(null, 42)
    })
    expect(result).toBe(42)
    expect(startCount).toBe(3)
  })

  // Needs strace, and the right to trace a process.
  describe.runIf(hasStrace)("as seen by the kernel", () => {
    test("fault 16: reads, writes and syncs that a signal interrupts are started again", () => {
      const path = join(directory, "a")
      const trace = traced(
        ["-P", path, "-e", "trace=pread64,pwrite64,fdatasync", ...interrupting("pread64", "pwrite64", "fdatasync")],
        `const file = await nodeFileSystem.open(${JSON.stringify(path)}, "create")
        await file.write(new Uint8Array(3), 0)
        await file.writeSynced(new Uint8Array(3).fill(7), 3)
        await file.dataSync()
        if ((await file.read(new Uint8Array(6), 0)) !== 6) throw new Error("short read")
        await file.close()`,
      )
      expect(trace.match(/EINTR/g)).toHaveLength(4)
      expect([...readFileSync(path)]).toEqual([0, 0, 0, 7, 7, 7])
    })

    test("makeDirectory syncs the directory of every name that it makes, and of the one that was there", () => {
      const trace = traced(
        ["-y", "-e", "trace=mkdir,fsync"],
        `await nodeFileSystem.makeDirectory(${JSON.stringify(join(directory, "a", "b"))})`,
      )
      const steps = [...trace.matchAll(/(mkdir)\("([^"]*)"|(fsync)\(\d+<([^>]*)>/g)].map(
        ([, mkdir, made, , synced]) => `${mkdir ?? "fsync"} ${made ?? synced}`,
      )
      expect(steps).toEqual([
        `fsync ${tmpdir()}`,
        `mkdir ${directory}/a`,
        `fsync ${directory}`,
        `mkdir ${directory}/a/b`,
        `fsync ${directory}/a`,
      ])
    })

    test("an open that fails half-way leaves neither a file nor a descriptor", () => {
      const path = join(directory, "a")
      const trace = traced(
        ["-P", path, "-e", "trace=openat,close,unlink", "-e", "inject=openat:error=EMFILE:when=2"],
        `const failure = await nodeFileSystem.open(${JSON.stringify(path)}, "create").catch((error) => error)
        if (failure.code !== "EMFILE") throw new Error("no EMFILE: " + failure)
        if ((await nodeFileSystem.stat(${JSON.stringify(path)})) !== undefined) throw new Error("a file is left")`,
      )
      expect(trace.match(/close\(/g)).toHaveLength(1)
      expect(readdirSync(directory)).toEqual([])
    })
  })
})

test("bytes written are on the disk for other processes at once", async () => {
  const directory = mkdtempSync(join(tmpdir(), "orrery-files-"))
  const file = await nodeFileSystem.open(join(directory, "a"), "create")
  await file.write(bytesOf(104, 105), 0)
  expect(execFileSync("cat", [join(directory, "a")]).toString()).toBe("hi")
  await file.close()
  rmSync(directory, { recursive: true })
})

/** The flags of each descriptor that this process has of the file, the lowest number first. */
function descriptorFlagsOf(path: string): readonly number[] {
  const numbers = readdirSync("/proc/self/fd").map(Number)
  return numbers
    .filter((number) => linkOf(number) === path)
    .map((number) => {
      const line = /flags:\s+(\d+)/.exec(readFileSync(`/proc/self/fdinfo/${number}`, "utf8"))
      return Number.parseInt(line?.[1] ?? "0", 8)
    })
}

/** Undefined for the descriptor that listed the others, and is closed by now. */
function linkOf(descriptor: number): string | undefined {
  try {
    return readlinkSync(`/proc/self/fd/${descriptor}`)
  } catch {
    return undefined
  }
}

/** Every other of these calls, from the first on, ends with EINTR and no effect. */
function interrupting(...calls: readonly string[]): string[] {
  return calls.flatMap((call) => ["-e", `inject=${call}:error=EINTR:when=1+2`])
}

/** Runs the code in a process of its own under strace, and returns what strace saw. */
function traced(options: readonly string[], code: string): string {
  const module = new URL("../../src/platform/node/node-file-system.ts", import.meta.url).href
  const program = `import { nodeFileSystem } from "${module}"\n${code}`
  const folder = mkdtempSync(join(tmpdir(), "orrery-trace-"))
  const output = join(folder, "out")
  const node = [process.execPath, "--input-type=module", "--eval", program]
  // One thread makes all the calls, because strace counts them thread by thread. Nobody else makes directories.
  const env = { ...process.env, UV_THREADPOOL_SIZE: "1", NODE_DISABLE_COMPILE_CACHE: "1" }
  const result = spawnSync("strace", ["-f", "-qq", "-o", output, ...options, ...node], { encoding: "utf8", env })
  const seen = readFileSync(output, "utf8")
  rmSync(folder, { recursive: true })
  expect(result.stderr).toBe("")
  expect(result.status).toBe(0)
  return seen
}
