// An export of metrics holds a process only as long as somebody waits for it.

import { spawn } from "node:child_process"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import { expect, onTestFinished, test } from "vitest"
import { programPath } from "../programs.ts"
import type { Program } from "../programs.ts"
import { startCollector } from "../store/collector.ts"
import { temporaryDirectory } from "../store/temporary-store.ts"

/** Runs a program with an open store and an exporter in a process of its own, to its end. */
async function runExporter(url: string, program: string): Promise<{ exitCode: unknown; printed: string }> {
  const door = (program: Program): string => JSON.stringify(pathToFileURL(programPath(program)).href)
  const text = `
    import { open } from ${door("src/index.ts")}
    import { exportMetrics } from ${door("src/observability.ts")}
    const store = await open(${JSON.stringify(join(await temporaryDirectory(), "store"))})
    const exporter = exportMetrics(store, { url: ${JSON.stringify(url)}, intervalMs: 10 })
    ${program}
  `
  const child = spawn(process.execPath, ["--input-type=module", "-e", text], { stdio: ["ignore", "pipe", "inherit"] })
  onTestFinished(() => void child.kill("SIGKILL"))
  let printed = ""
  child.stdout.setEncoding("utf8").on("data", (part: string) => (printed += part))
  const exitCode = await new Promise((resolve) => child.on("close", resolve))
  return { exitCode, printed }
}

test("an export that goes on keeps no process alive", async () => {
  const collector = await startCollector()
  const { exitCode, printed } = await runExporter(
    collector.url,
    'await exporter.flush()\nconsole.log("sent", exporter.sent)',
  )
  expect(printed).toMatch(/^sent [1-9]/)
  expect(exitCode).toBe(0)
  expect(collector.requests.length).toBeGreaterThan(0)
})

test("neither does one that waits to try again, which takes it three seconds; whoever waits is waited for", async () => {
  const collector = await startCollector()
  collector.status = 503
  const left = `
    while (exporter.failures === 0) await new Promise((resolve) => setTimeout(resolve, 5))
    const startMs = performance.now()
    process.on("exit", () => console.log(performance.now() - startMs))
  `
  const waited = 'await exporter.flush()\nconsole.log("flushed")\nawait exporter.stop()\nconsole.log("stopped")'
  const [leaving, stopping] = await Promise.all([
    runExporter(collector.url, left),
    runExporter("http://127.0.0.1:1/v1/metrics", waited),
  ])
  expect(leaving.exitCode).toBe(0)
  expect(Number(leaving.printed)).toBeLessThan(2_500)
  expect(stopping).toEqual({ exitCode: 0, printed: "flushed\nstopped\n" })
})
