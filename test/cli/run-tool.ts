// Runs the command line tool as a shell does: in a process of its own, with what it prints and what it ends with.

import { spawn } from "node:child_process"
import type { ChildProcessWithoutNullStreams } from "node:child_process"
import { programPath } from "../programs.ts"

const tool = programPath("src/bin.ts")

export interface ToolResult {
  readonly exitCode: number | null
  readonly stdout: string
  readonly stderr: string
}

export function startTool(args: readonly string[]): ChildProcessWithoutNullStreams {
  return spawn(process.execPath, [tool, ...args])
}

/** Runs it to its end. */
export function runTool(args: readonly string[], input = ""): Promise<ToolResult> {
  const child = startTool(args)
  child.stdin.end(input)
  return resultOf(child)
}

export function resultOf(child: ChildProcessWithoutNullStreams): Promise<ToolResult> {
  let stdout = ""
  let stderr = ""
  child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text))
  child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text))
  return new Promise((resolve, reject) => {
    child.on("error", reject)
    child.on("close", (exitCode) => resolve({ exitCode, stdout, stderr }))
  })
}
