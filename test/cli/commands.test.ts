// The tool as a shell meets it: real processes on real directories, each test on its own ones. Side by side, because most
// of the time is the start of processes.

import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, beforeAll, expect, test } from "vitest"
import { open } from "../../src/index.ts"
import { assertSame } from "../format/same-value.ts"
import { resultOf, runTool, startTool } from "./run-tool.ts"

const work = mkdtempSync(join(tmpdir(), "orrery-cli-"))
/** Only read by the tests, so that they may run in any order. */
const sample = join(work, "sample")
const oddValues = new Map<string, unknown>([
  ["plain", { name: "Ada", tags: ["a", "b"] }],
  ["numbers", [NaN, -0, 2n ** 70n, undefined]],
  [
    "kinds",
    new Map<unknown, unknown>([
      [new Date(5), new Set([/x/g])],
      ["bytes", new Uint8Array([0, 255])],
    ]),
  ],
  ["form", { $date: "none", "a\nb": 1 }],
])

beforeAll(async () => {
  const store = await open(sample)
  const things = store.table("things")
  for (const [key, value] of oddValues) await things.put(key, value)
  await store.table("users").put("ada", { name: "Ada" })
  await store.table("users").delete("ada")
  await store.close()
})

afterAll(() => rmSync(work, { recursive: true, force: true }))

test.concurrent("a value goes in, comes out in the form that it went in, and goes", async () => {
  const directory = join(work, "put")
  await (await open(directory)).close()
  const form = '{"born":{"$date":"1815-12-10T00:00:00.000Z"},"n":1}'
  const put = await runTool(["put", directory, "users", "ada", form])
  expect(put).toMatchObject({ exitCode: 0, stderr: "" })
  expect(put.stdout).toMatch(/^put, as commit \d+\n$/)
  expect(await runTool(["get", directory, "users", "ada", "--json"])).toEqual({
    exitCode: 0,
    stderr: "",
    stdout: `{"table":"users","key":"ada","value":${form}}\n`,
  })
  const gone = await runTool(["delete", directory, "users", "ada", "--json"])
  expect(JSON.parse(gone.stdout)).toMatchObject({ table: "users", key: "ada", existed: true })
  const missing = await runTool(["get", directory, "users", "ada"])
  expect(missing).toMatchObject({ exitCode: 1, stdout: "" })
  expect(missing.stderr).toMatch(/^orrery: there is no key "ada" in table "users"\nremedy: .+\n$/)
})

test.concurrent("a wrong call is told in two lines, or as JSON, and ends with 2", async () => {
  const [missing, json] = await Promise.all([runTool(["get", sample]), runTool(["stats", "--jsn", "--json"])])
  expect(missing).toEqual({
    exitCode: 2,
    stdout: "",
    stderr: "orrery: Missing required argument: table\nremedy: See: orrery get --help\n",
  })
  const engines = await runTool(["put", sample, "orrery:views", "k", "1"])
  expect(engines).toMatchObject({ exitCode: 2, stdout: "" })
  expect(engines.stderr).toContain("is the engine's own")
  expect(json.exitCode).toBe(2)
  expect(JSON.parse(json.stderr)).toMatchObject({ error: { code: "USAGE", remedy: "See: orrery stats --help" } })
})

test.concurrent("without a command the help is shown, and the version is the package's", async () => {
  const [help, version] = await Promise.all([runTool([]), runTool(["--version"])])
  expect(help.exitCode).toBe(0)
  for (const name of [
    "get",
    "put",
    "delete",
    "tables",
    "dump",
    "load",
    "tail",
    "stats",
    "checkpoint",
    "compact",
    "verify",
  ]) {
    expect(help.stdout).toMatch(new RegExp(`^ +${name} +\\w`, "m"))
  }
  const { version: expected } = JSON.parse(readFileSync(join(import.meta.dirname, "../../package.json"), "utf8"))
  expect(version.stdout).toBe(`orrery v${String(expected)}\n`)
})

test.concurrent("a path without a store is refused, and nothing is made there", async () => {
  const nowhere = join(work, "nowhere")
  const result = await runTool(["stats", nowhere, "--json"])
  expect(result).toMatchObject({ exitCode: 1, stdout: "" })
  expect(JSON.parse(result.stderr)).toMatchObject({ error: { code: "ORRERY_CANNOT_OPEN" } })
  expect(() => statSync(nowhere)).toThrow("ENOENT")
})

test.concurrent("a dump that is loaded into a new store gives every value back the same", async () => {
  const copy = join(work, "copy")
  const dump = await runTool(["dump", sample])
  expect(dump).toMatchObject({ exitCode: 0, stderr: "" })
  const load = await runTool(["load", copy, "--create", "--json"], dump.stdout)
  expect(load).toMatchObject({ exitCode: 0, stderr: "" })
  expect(JSON.parse(load.stdout)).toMatchObject({ puts: oddValues.size, deletes: 0 })
  const store = await open(copy)
  try {
    expect(store.tables()).toEqual(["things"])
    const things = store.table("things")
    expect(things.size).toBe(oddValues.size)
    for (const [key, value] of oddValues) assertSame(things.get(key), value)
  } finally {
    await store.close()
  }
})

test.concurrent("deadlines go through a dump; what is in doubt is refused, unless it is to be left out", async () => {
  const [directory, copy] = [join(work, "expiring"), join(work, "expiring copy")]
  const store = await open(directory)
  const sessions = store.table("sessions")
  await sessions.put("s1", { user: "ada" }, { ttl: 3_600_000 })
  await sessions.put("s2", "for ever")
  const deadline = sessions.expiresAt("s1")
  await store.transact((tx) => {
    tx.put(store.table("other"), "k", 1)
    tx.prepare("T1", undefined)
  })
  await store.close()

  const refused = await runTool(["dump", directory, "--json"])
  expect(refused).toMatchObject({ exitCode: 1, stdout: "" })
  expect(JSON.parse(refused.stderr)).toMatchObject({ error: { code: "IN_DOUBT", summary: /^1 transaction is.*"T1"$/ } })
  const [dump, changes] = await Promise.all([
    runTool(["dump", directory, "--without-in-doubt"]),
    runTool(["dump", directory, "--from", "0"]),
  ])
  expect(dump).toMatchObject({ exitCode: 0, stderr: "" })
  expect(dump.stdout).toContain(`"expiresAt":${JSON.stringify(deadline)}`)
  expect(changes.stdout).not.toContain("orrery:")
  expect(changes.stdout.trim().split("\n")).toHaveLength(2)
  const overdue = '{"format":2,"table":"sessions","key":"s0","value":0,"expiresAt":"2020-01-01T00:00:00.000Z"}\n'
  const load = await runTool(["load", copy, "--create"], overdue + dump.stdout)
  expect(load).toMatchObject({ exitCode: 0, stderr: "" })

  await using loaded = await open(copy)
  const found = loaded.table("sessions")
  expect([...found.keys()].sort()).toEqual(["s1", "s2"])
  expect(found.expiresAt("s1")?.getTime()).toBeGreaterThanOrEqual(deadline?.getTime() ?? Infinity)
  expect(found.expiresAt("s1")?.getTime()).toBeLessThan((deadline?.getTime() ?? 0) + 60_000)
  expect(found.expiresAt("s2")).toBeUndefined()
})

test.concurrent("a line that is none is named, and what stands in commits before it is loaded", async () => {
  const directory = join(work, "load")
  const file = join(work, "lines.jsonl")
  const lines = Array.from({ length: 1_500 }, (_, index) => `{"key":"k${index}","value":${index}}`)
  writeFileSync(file, [...lines, '{"key":"bad"}'].join("\n"))
  const result = await runTool(["load", directory, file, "--create", "--table", "numbers"])
  expect(result.exitCode).toBe(1)
  expect(result.stderr).toMatch(/^orrery: line 1501: the line needs one of "value" and "deleted"\nremedy: /)
  const store = await open(directory)
  expect(store.table("numbers").size).toBe(1_000)
  await store.close()
})

test.concurrent("changes of a range come from the log in order, deletes included, and can be loaded", async () => {
  const result = await runTool(["dump", sample, "--from", "6", "--table", "users"])
  expect(result).toMatchObject({ exitCode: 0, stderr: "" })
  const changes = result.stdout
    .trim()
    .split("\n")
    .map((line): unknown => JSON.parse(line))
  expect(changes).toEqual([
    { lsn: 6, timeMs: expect.any(Number), table: "users", key: "ada", value: { name: "Ada" } },
    { lsn: 7, timeMs: expect.any(Number), table: "users", key: "ada", deleted: true },
  ])
})

test.concurrent("while a process has the store open, the others are refused by name, and tail follows it until Ctrl-C", async () => {
  const directory = join(work, "open")
  const store = await open(directory)
  const counters = store.table("counters")
  await counters.put("c1", 1)
  const tail = startTool(["tail", directory, "--after", "0", "--prefix", "c", "--json"])
  const first = Promise.withResolvers<void>()
  tail.stdout.once("data", () => first.resolve())
  const ended = resultOf(tail)
  const locked = await runTool(["get", directory, "counters", "c1"])
  expect(locked.exitCode).toBe(3)
  expect(locked.stderr).toContain(`is open already, by pid ${process.pid} on `)
  await first.promise
  const second = Promise.withResolvers<void>()
  tail.stdout.once("data", () => second.resolve())
  await store.batch((batch) => {
    batch.put(counters, "other", 0)
    batch.put(counters, "c2", { $date: 2 })
    batch.delete(counters, "c1")
  })
  await second.promise
  tail.kill("SIGINT")
  const { exitCode, stdout } = await ended
  await store.close()
  expect(exitCode).toBe(0)
  const changes = stdout
    .trim()
    .split("\n")
    .map((line): unknown => JSON.parse(line))
  expect(changes).toMatchObject([
    { lsn: 2, key: "c1", value: 1 },
    { lsn: 3, key: "c2", value: { $object: { $date: 2 } } },
    { lsn: 3, key: "c1", deleted: true },
  ])
})

test.concurrent("tail ends by itself behind as many changes as were asked for", async () => {
  const result = await runTool(["tail", sample, "--after", "0", "--limit", "2"])
  expect(result).toMatchObject({ exitCode: 0, stderr: "" })
  expect(result.stdout).toMatch(/^2 {2}\S+ {2}put {5}things {2}"plain" {2}\{"name":"Ada".*\n3 {2}.*\n$/)
})

test.concurrent("a reader that goes away ends the tool with 0 and without a word", async () => {
  const directory = join(work, "pipe")
  const store = await open(directory)
  await store.table("t").putMany(Array.from({ length: 2_000 }, (_, index) => [`k${index}`, "x".repeat(500)] as const))
  await store.close()
  const dump = startTool(["dump", directory])
  dump.stdout.once("data", () => dump.stdout.destroy())
  let stderr = ""
  dump.stderr.on("data", (text: Buffer) => (stderr += text.toString()))
  const exitCode = await new Promise((resolve) => dump.on("exit", resolve))
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" })
})

test.concurrent("checkpoint and compact fold the log, and inspect tells what is in the files", async () => {
  const directory = join(work, "fold")
  const store = await open(directory)
  await store.table("t").putMany(Array.from({ length: 300 }, (_, index) => [`k${index}`, index] as const))
  await store.close()
  const made = await runTool(["checkpoint", directory, "--json"])
  expect(made).toMatchObject({ exitCode: 0, stderr: "" })
  expect(JSON.parse(made.stdout)).toMatchObject({ checkpoint: { number: 1, records: 300, oldestLsn: 1 } })
  await runTool(["put", directory, "t", "more", "1"])
  const compacted = await runTool(["compact", directory])
  expect(compacted).toMatchObject({ exitCode: 0, stderr: "" })
  expect(compacted.stdout).toMatch(/^checkpoint 2 through LSN 5: 301 records, .*\nthe log begins at LSN [3-9]\n/)
  const inspected = await runTool(["inspect", join(directory, "checkpoint-0000000002")])
  expect(inspected.exitCode).toBe(0)
  expect(inspected.stdout).toMatch(/301 records of table t, \d+ bytes\n +\d+ {2}end: whole: 301 records\n$/)
})

test.concurrent("inspect tells what is compressed, in both kinds of files, and what that saves", async () => {
  const directory = join(work, "compressed")
  const store = await open(directory, { compress: true })
  const text = "again and ".repeat(200)
  await store.table("t").putMany([
    ["k1", text],
    ["k2", { text }],
    ["k3", "small"],
  ])
  await store.checkpoint()
  await store.close()
  const tools = ["wal-0000000001", "checkpoint-0000000001"].map((file) => runTool(["inspect", join(directory, file)]))
  for (const { exitCode, stdout } of await Promise.all(tools)) {
    expect(exitCode).toBe(0)
    expect(stdout).toMatch(/; 2 compressed values, 40\d\d bytes in \d\d\d?$/m)
  }
})

test.concurrent("inspect names the frames of a segment, and the byte where damage begins", async () => {
  const segment = join(sample, "wal-0000000001")
  const whole = await runTool(["inspect", segment])
  expect(whole).toMatchObject({ exitCode: 0, stderr: "" })
  expect(whole.stdout).toMatch(/ 64 {2}epoch 1 begins at LSN 1, by pid \d+ on /)
  expect(whole.stdout).toMatch(/end: sealed; the file ends\n$/)
  const offset = Number(/^ *(\d+) {2}LSN 3,/m.exec(whole.stdout)?.[1])
  expect(offset).toBeGreaterThan(64)

  const damaged = join(work, "damaged")
  await (await open(damaged)).close()
  for (const name of ["manifest-0", "manifest-1", "wal-0000000001"]) {
    writeFileSync(join(damaged, name), readFileSync(join(sample, name)))
  }
  const bytes = readFileSync(segment)
  bytes[offset + 70] = (bytes[offset + 70] ?? 0) ^ 1
  writeFileSync(join(damaged, "wal-0000000001"), bytes)
  const result = await runTool(["inspect", join(damaged, "wal-0000000001")])
  expect(result.exitCode).toBe(4)
  expect(result.stdout).toContain("  LSN 2, ")
  expect(result.stdout).toMatch(
    new RegExp(`^ *${offset}  DAMAGED: the checksum of what follows does not match.* LSN 4\n$`, "m"),
  )
  expect((await runTool(["stats", damaged])).exitCode).toBe(4)
})

test.concurrent("verify says by its exit code whether a store is good, torn or damaged, and salvage saves what is good", async () => {
  const torn = join(work, "torn")
  const bad = join(work, "bad")
  for (const directory of [torn, bad]) cpSync(sample, directory, { recursive: true })
  const last = readdirSync(torn).findLast((name) => name.startsWith("wal-")) ?? ""
  truncateSync(join(torn, last), statSync(join(torn, last)).size - 8)
  const first = join(bad, "wal-0000000001")
  const bytes = readFileSync(first)
  // The third frame, behind the epoch and the first put: a byte of its payload.
  const offset = bytes.indexOf("ORRF", bytes.indexOf("ORRF", bytes.indexOf("ORRF") + 1) + 1) + 70
  bytes[offset] = (bytes[offset] ?? 0) ^ 1
  writeFileSync(first, bytes)
  const results = await Promise.all([sample, torn, bad].map((directory) => runTool(["verify", directory, "--json"])))
  expect(results.map(({ exitCode }) => exitCode)).toEqual([0, 5, 4])
  const verdicts = results.map(({ stdout }) => (JSON.parse(stdout) as { verdict: string }).verdict)
  expect(verdicts).toEqual(["good", "torn tail", "damaged"])

  const saved = join(work, "saved")
  const salvaged = await runTool(["salvage", bad, saved])
  expect(salvaged.exitCode).toBe(4)
  expect(salvaged.stdout).toMatch(/^LOST {2}LSN 3: wal-0000000001, byte \d+: /)
  const store = await open(saved)
  expect([...store.table("things").keys()].sort()).toEqual(["form", "kinds", "plain"])
  await store.close()
})

test.concurrent("stats has the numbers for programs", async () => {
  const directory = join(work, "stats")
  const store = await open(directory)
  await store.table("t").put("k", 1)
  await store.close()
  const result = await runTool(["stats", directory, "--json"])
  expect(JSON.parse(result.stdout)).toMatchObject({
    path: directory,
    tables: [{ name: "t", records: 1 }],
    metrics: { tables: { records: 1 } },
    recovery: { foundStore: true },
    // A machine whose disk is nearly full may say so.
    alerts: expect.any(Array),
  })
  const lines = (await runTool(["stats", directory])).stdout.split("\n")
  expect(lines.find((line) => line.startsWith("to replay"))).toMatch(/^to replay {4}\d+ B, \d commits$/)
  expect(lines.find((line) => line.startsWith("redundant"))).toMatch(/^redundant {4}\d+ % of the log$/)
})
