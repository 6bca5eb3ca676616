// Benchmarks that stand for themselves: files beside this one that print their own figures. They run as they are, and what
// they print is shown as it is.

import { spawn } from "node:child_process"
import { existsSync } from "node:fs"
import { join } from "node:path"
import type { Context, Row } from "./harness.ts"
import type { Figure } from "./report.ts"

/** Such a benchmark as a row of its own. `figuresOf` finds in its output what has a target. */
export function standaloneRow(
  name: string,
  title: string,
  seconds: number,
  figuresOf: (output: string) => readonly Figure[],
): Row {
  return {
    name,
    title,
    estimateSeconds: () => seconds,
    hasQuickSize: false,
    async run(context) {
      const output = await outputOf(context, name, [])
      const setting = `\`node bench/${name}.bench.ts\``
      return { title, setting, tables: [], figures: figuresOf(output), notes: [], output }
    },
  }
}

export function hasStandalone(name: string): boolean {
  return existsSync(fileOf(name))
}

/** What it prints; how it failed where it did. */
export async function outputOf(context: Context, name: string, commandArguments: readonly string[]): Promise<string> {
  if (!hasStandalone(name)) return `not available: there is no ${name}.bench.ts`
  context.progress(`${name}.bench.ts ${commandArguments.join(" ")}`)
  return (await runStandalone(name, commandArguments)).text
}

export interface StandaloneOutput {
  readonly text: string
  /** Whether it ended with anything but 0. */
  readonly isFailed: boolean
}

/** Runs it to its end, however long that takes. */
export function runStandalone(name: string, commandArguments: readonly string[]): Promise<StandaloneOutput> {
  const nodeArguments = ["--expose-gc", "--disable-warning=ExperimentalWarning", fileOf(name), ...commandArguments]
  const child = spawn(process.execPath, nodeArguments, { stdio: ["ignore", "pipe", process.stderr] })
  const kill = (): void => void child.kill("SIGKILL")
  process.once("exit", kill)
  let text = ""
  child.stdout.on("data", (chunk: Buffer) => (text += chunk.toString()))
  return new Promise((resolve) => {
    child.on("error", (error) => resolve({ text: `failed: ${error.message}`, isFailed: true }))
    child.on("close", (code, signal) => {
      process.off("exit", kill)
      if (code === 0) resolve({ text, isFailed: false })
      else resolve({ text: `${text}\nfailed: the process ended with ${String(signal ?? code)}`, isFailed: true })
    })
  })
}

function fileOf(name: string): string {
  return join(import.meta.dirname, `${name}.bench.ts`)
}
