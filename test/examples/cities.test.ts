// The demonstration, run as users run it, on few cities: it must prove what it says, notice an interruption, and leave
// nothing behind. The tests run side by side: they wait for processes most of the time.

import { fork, spawn } from "node:child_process"
import { once } from "node:events"
import { mkdtempSync, readdirSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { expect, test } from "vitest"
import type { WriterMessage } from "../../examples/cities/writer.ts"
import { open } from "../../src/index.ts"

const examples = join(import.meta.dirname, "../../examples/cities")

/** Removed with all that is in it at the end of the scope. */
function temporaryDirectory(): Disposable & { readonly path: string } {
  const path = mkdtempSync(join(tmpdir(), "orrery-cities-test-"))
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) }
}

interface Run {
  readonly exitCode: number | null
  readonly output: string
}

/** Runs the demonstration with its files below the directory; `onOutput` sees everything printed so far. */
async function demonstrate(
  directory: string,
  demoArguments: readonly string[],
  onOutput: (output: string, kill: (signal: NodeJS.Signals) => void) => void = () => undefined,
): Promise<Run> {
  const child = spawn(process.execPath, [join(examples, "main.ts"), "--dir", directory, ...demoArguments])
  let output = ""
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      output += text
      onOutput(output, (signal) => child.kill(signal))
    })
  }
  const [exitCode] = (await once(child, "close")) as [number | null]
  return { exitCode, output }
}

test.concurrent("the demonstration proves that a killed writer lost nothing, and leaves nothing behind", async () => {
  using directory = temporaryDirectory()
  const { exitCode, output } = await demonstrate(directory.path, ["--cities", "3000"])

  expect(exitCode, output).toBe(0)
  const acknowledged = /killed with SIGKILL; ([\d,]+) cities were acknowledged/.exec(output)?.[1]
  expect(Number(acknowledged?.replace(",", ""))).toBeGreaterThanOrEqual(1200)
  expect(output).toContain("3,000 distinct ids")
  expect(output).toContain("the store was not closed in order")
  expect(output).toContain(`all ${acknowledged} acknowledged cities are there, equal to the source`)
  expect(output).toMatch(/[\d,]+ more survived that were in flight/)
  expect(output).toContain("nothing else is there")
  expect(output).toContain("the subscriber got 3,000 commits: each city exactly once, equal to the source")
  expect(output).toContain("its changes, folded, equal the table: 3,000 cities")
  expect(output).toContain("sealed by its last owner")
  expect(output).toMatch(/100 %, [\d,]+\/s/)
  expect(output).toMatch(/puts\/s +[\d,]+ +[\d,]+\n/)
  expect(output).toMatch(/recovery in a fresh process, ms +\d+ +\d+\n/)
  expect(output).toContain("not durable against power loss")
  expect(output).toContain("Everything proved")
  expect(readdirSync(directory.path)).toEqual([])
})

test.concurrent("an interrupted demonstration ends with the signal's exit code and leaves nothing behind", async () => {
  using directory = temporaryDirectory()
  let isInterrupted = false
  const { exitCode, output } = await demonstrate(directory.path, ["--cities", "3000"], (printed, kill) => {
    if (isInterrupted || !printed.includes("files in ")) return
    isInterrupted = true
    kill("SIGINT")
  })

  expect(exitCode, output).toBe(130)
  expect(output).toContain("failed: interrupted by SIGINT")
  expect(output).not.toContain("Everything proved")
  expect(readdirSync(directory.path)).toEqual([])
})

test.concurrent("an argument that makes no sense is refused before anything is done", async () => {
  using directory = temporaryDirectory()
  const { exitCode, output } = await demonstrate(directory.path, ["--cities", "many"])

  expect(exitCode).toBe(1)
  expect(output).toBe("\nfailed: --cities takes a number from 100 on\n")
})

test.concurrent("at SIGTERM the writer closes the store in order, with all that it has acknowledged", async () => {
  using directory = temporaryDirectory()
  const keys: string[] = []
  const storeDirectory = join(directory.path, "store")
  // Nobody answers this writer, so that it stops before the end of its own accord and waits.
  const child = fork(join(examples, "writer.ts"), [storeDirectory, "3000"], { serialization: "advanced" })
  child.on("message", (message: WriterMessage) => {
    if (message.kind !== "acknowledged") return
    keys.push(...message.keys)
    child.kill("SIGTERM")
  })
  expect(await once(child, "close")).toEqual([0, null])

  expect(keys.length).toBeGreaterThan(0)
  expect(keys.length).toBeLessThan(3000)
  await using store = await open(storeDirectory)
  expect(store.recovery.wasSealed).toBe(true)
  expect([...store.table("cities").keys()].toSorted()).toEqual(keys.toSorted())
})
