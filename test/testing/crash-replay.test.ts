// A failure can be seen again: by its token, by the environment, by a test file that was written for it; and it is kept on
// the real disk.

import { spawnSync } from "node:child_process"
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import { afterEach, beforeEach, describe, expect, test } from "vitest"
import type { FileSystem } from "../../src/platform/file-system.ts"
import { SimulatedDisk } from "../../src/simulation/simulated-disk.ts"
import { CrashFound } from "../../src/testing/crash-found.ts"
import { runHistory } from "../../src/testing/history-run.ts"
import { crash } from "../../src/testing/crash.ts"
import { settingsFrom } from "../../src/testing/crash-settings.ts"
import { runFingerprint } from "../../src/testing/run-fingerprint.ts"
import type { ToyMistake } from "./toy-store.ts"
import { toyTest, type ToyOp, type ToyOptions } from "./toy-test.ts"

/** Interleavings in the default run; ORRERY_SCHEDULES asks for more. */
const SCHEDULE_COUNT = Number(process.env["ORRERY_SCHEDULES"] ?? 1_000)

async function failureOf(work: Promise<unknown>): Promise<CrashFound> {
  const outcome: unknown = await work.catch((error: unknown) => error)
  expect(outcome).toBeInstanceOf(CrashFound)
  return outcome as CrashFound
}

/** The part of a message that tells the crash, without how it was found. */
function crashIn({ message }: CrashFound): string {
  return message.slice(message.indexOf("\n    1. "))
}

describe("the token", () => {
  test.each<ToyMistake>(["no-sync", "two-commits", "rename-before-sync", "rewrites-on-open", "keeps-the-torn-tail"])(
    "of %s gives the same crash again, and nothing once it is mended",
    async (mistake) => {
      const found = await failureOf(crash.assert(toyTest(5, mistake)))
      const again = await failureOf(crash.replay(found.token, toyTest(99, mistake)))
      expect(crashIn(again)).toBe(crashIn(found))
      expect(again.token).toBe(found.token)
      await expect(crash.replay(found.token, toyTest(5))).resolves.toMatchObject({ seed: 5 })
    },
  )

  test("holds values that JSON cannot, and where operations are no data the whole search is done again", async () => {
    const run =
      (key: string): ToyOptions["run"] =>
      (store) =>
        store.put({ [key]: 1 })
    const model: NonNullable<ToyOptions["model"]> = { initial: {}, apply: (state) => ({ ...state, a: 1 }) }
    const shared = { ...toyTest(5, "no-sync"), model, run: run("a") }
    const dated = { ...shared, ops: [{ put: new Date(1), n: 1n }] as unknown as ToyOp[] }
    const found = await failureOf(crash.assert(dated))
    const again = await failureOf(crash.replay(found.token, { ...dated, ops: [{ put: {} }] }))
    expect(again.history[0]?.op).toEqual({ put: new Date(1), n: 1n })

    const withFunctions = { ...shared, ops: [{ put: () => 1 }] as unknown as ToyOp[] }
    const second = await failureOf(crash.assert(withFunctions))
    expect(crashIn(await failureOf(crash.replay(second.token, withFunctions)))).toBe(crashIn(second))
  })

  test("that is cut off is refused", async () => {
    const { token } = await failureOf(crash.assert(toyTest(5, "no-sync")))
    await expect(crash.replay(token.slice(0, -5), toyTest(5))).rejects.toThrow(TypeError)
    await expect(crash.replay("", toyTest(5))).rejects.toThrow("the replay token cannot be read")
  })
})

describe("the environment", () => {
  afterEach(() => {
    delete process.env["ORRERY_CRASH_REPLAY"]
  })

  test("replays a token in place of a search, in the test of that name alone", async () => {
    const options = { ...toyTest(5, "no-sync"), name: "toy" }
    const found = await failureOf(crash.assert(options))
    process.env["ORRERY_CRASH_REPLAY"] = found.token
    const again = await failureOf(crash.assert(options))
    expect(crashIn(again)).toBe(crashIn(found))
    await expect(crash.assert({ ...options, name: "another" })).resolves.toMatchObject({ histories: 0, states: 0 })
  })
})

describe("what is left on the real disk", () => {
  let directory: string
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "orrery-crash-test-"))
  })
  afterEach(() => rmSync(directory, { recursive: true }))

  test("the image of the simulated disk, the calls, and the message", async () => {
    const folder = join(directory, "orrery-crash-5")
    mkdirSync(join(folder, "disk"), { recursive: true })
    writeFileSync(join(folder, "disk/of-another-crash"), "")
    const found = await failureOf(crash.assert({ ...toyTest(5, "two-commits"), artifacts: directory }))
    expect(existsSync(join(folder, "disk/of-another-crash"))).toBe(false)
    expect(found.artifacts).toBe(folder)
    expect(found.message).toContain(`disk image: ${folder}`)
    expect(readFileSync(join(folder, "disk/data/log"), "utf8")).toMatch(/^\d+ \{"\w":\d+\}\n$/)
    expect(readFileSync(join(folder, "message.txt"), "utf8")).toBe(`${found.message}\n`)
    expect(readFileSync(join(folder, "calls.txt"), "utf8")).toMatch(/^1\. stat \/data: done\n/)
  })

  test("a regression test, where asked for, which runs and fails for as long as the mistake is there", async () => {
    const testFile = join(directory, "toy.test.ts")
    const regression = join(directory, "regressions/lost.test.ts")
    const from = (path: string): string => JSON.stringify(pathToFileURL(join(import.meta.dirname, path)).href)
    const program = (mistakes: string): string => `
      import { crash } from ${from("../../src/testing/crash.ts")}
      import { toyTest } from ${from("./toy-test.ts")}
      await crash.assert({ ...toyTest(5${mistakes}), artifacts: ${JSON.stringify(directory)} })
    `
    const run = (file: string, environment: NodeJS.ProcessEnv = {}): { status: number | null; output: string } => {
      const { status, stdout, stderr } = spawnSync(process.execPath, [file], {
        encoding: "utf8",
        env: { ...process.env, ...environment },
      })
      return { status, output: stdout + stderr }
    }
    writeFileSync(testFile, program(', "rename-before-sync"'))
    expect(run(testFile, { ORRERY_CRASH_REGRESSION: regression }).status).toBe(1)
    const text = readFileSync(regression, "utf8")
    expect(text).toContain("// after a crash the check fails")
    expect(text).toContain('await import("../toy.test.ts")')

    const failing = run(regression)
    expect(failing.status).toBe(1)
    expect(failing.output).toContain("history 0: 2 operations\n")
    writeFileSync(testFile, program(""))
    expect(run(regression).status).toBe(0)
  })

  test("what cannot be written hides nothing of what was found", async () => {
    writeFileSync(join(directory, "a-file"), "")
    const found = await failureOf(
      crash.assert({ ...toyTest(5, "no-sync"), artifacts: join(directory, "a-file/below") }),
    )
    expect(found.message).toContain("1. { put: { a: 0 } } acknowledged")
    expect(found.message).toMatch(/not all of it could be written: ENOTDIR/)
  })

  test("the calling file is found by the stack, or may be said", async () => {
    const regression = join(directory, "lost.test.ts")
    await failureOf(crash.assert({ ...toyTest(5, "no-sync"), writeRegression: regression }))
    expect(readFileSync(regression, "utf8")).toMatch(/await import\(".*\/test\/testing\/crash-replay\.test\.ts"\)/)
    await failureOf(
      crash.assert({ ...toyTest(5, "no-sync"), writeRegression: regression, testFile: "file:///a/b.test.ts" }),
    )
    expect(readFileSync(regression, "utf8")).toMatch(/await import\("(\.\.\/)+a\/b\.test\.ts"\)/)
  })
})

test("the fingerprint of a run tells what was written, and in which order", async () => {
  const fingerprintOf = async (...bytes: readonly number[]): Promise<string> => {
    const disk = new SimulatedDisk()
    const file = await disk.open("/a", "create")
    for (const byte of bytes) await file.write(Uint8Array.of(byte), 0)
    return runFingerprint(disk.trace())
  }
  const first = await fingerprintOf(1, 2)
  expect(first).toMatch(/^[0-9a-f]{8}$/)
  expect(await fingerprintOf(1, 2)).toBe(first)
  expect(await fingerprintOf(1, 3)).not.toBe(first)
  expect(await fingerprintOf(2, 1)).not.toBe(first)
  expect(await fingerprintOf(1)).not.toBe(first)
})

test(
  `${SCHEDULE_COUNT} seeded interleavings are the same again, call by call and byte by byte`,
  async () => {
    // Each operation has a file of its own, so that several calls are on their way at any time.
    const settings = settingsFrom<FileSystem, string, void, unknown>({
      open: ({ fileSystem }) => fileSystem,
      ops: ["/a", "/b", "/c", "/d", "/e"],
      run: async (files, path, { platform }) => {
        const file = await files.open(path, "create")
        const bytes = new Uint8Array(16)
        platform.random.fill(bytes)
        await file.write(bytes, 0)
        await file.dataSync()
        await file.close()
        await files.syncDirectory("/")
      },
      invariant: () => undefined,
    })
    const fingerprints = new Set<string>()
    for (let seed = 0; seed < SCHEDULE_COUNT; seed++) {
      const first = await runHistory(settings, ["/a", "/b", "/c", "/d", "/e"], seed)
      const second = await runHistory(settings, ["/a", "/b", "/c", "/d", "/e"], seed)
      const fingerprint = runFingerprint(first.trace)
      expect(runFingerprint(second.trace), `seed ${seed}`).toBe(fingerprint)
      expect(second.records, `seed ${seed}`).toEqual(first.records)
      fingerprints.add(fingerprint)
    }
    expect(fingerprints.size).toBeGreaterThan(SCHEDULE_COUNT * 0.9)
  },
  60_000 + SCHEDULE_COUNT * 5,
)
