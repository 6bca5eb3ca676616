// Benchmarks that stand for themselves: files beside this one that print their own figures. They run as they are, and what
// they print is shown as it is.

import { spawn } from "node:child_process"
import { existsSync } from "node:fs"
import { join } from "node:path"
import type { Context, Row } from "./harness.ts"

/** Such a benchmark as a row of its own. */
export function standaloneRow(name: string, title: string, seconds: number, commandArguments: readonly string[]): Row {
  return {
    name,
    title,
    estimateSeconds: () => seconds,
    run: async (context) => ({
      title,
      setting: `\`node ${["bench", `${name}.bench.ts`].join("/")}${["", ...commandArguments].join(" ")}\``,
      tables: [],
      figures: [],
      notes: [],
      output: await runStandalone(context, name, commandArguments),
    }),
  }
}

export function hasStandalone(name: string): boolean {
  return existsSync(fileOf(name))
}

/** What it prints; how it failed where it did. */
export function runStandalone(context: Context, name: string, commandArguments: readonly string[]): Promise<string> {
  if (!hasStandalone(name)) return Promise.resolve(`not available: there is no ${name}.bench.ts`)
  context.progress(`${name}.bench.ts ${commandArguments.join(" ")}`)
  const nodeArguments = ["--expose-gc", "--disable-warning=ExperimentalWarning", fileOf(name), ...commandArguments]
  const child = spawn(process.execPath, nodeArguments, { stdio: ["ignore", "pipe", process.stderr] })
  let text = ""
  child.stdout.on("data", (chunk: Buffer) => (text += chunk.toString()))
  return new Promise((resolve) => {
    child.on("error", (error) => resolve(`failed: ${error.message}`))
    child.on("close", (code, signal) => {
      resolve(code === 0 ? text : `${text}\nfailed: the process ended with ${String(signal ?? code)}`)
    })
  })
}

function fileOf(name: string): string {
  return join(import.meta.dirname, `${name}.bench.ts`)
}
