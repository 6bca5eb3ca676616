// Runs a command for the other scripts: in a folder, with the project's own tools and Node first in PATH, and ends
// loudly when it fails.

import { spawnSync } from "node:child_process"
import { delimiter, join } from "node:path"

/** The project's folder. */
export const root: string = join(import.meta.dirname, "..")

/** Runs a command to its end, with its output passed on. Throws unless it ends with 0. */
export function run(command: string, commandArguments: readonly string[], folder: string = root): void {
  execute(command, commandArguments, folder, "inherit")
}

/** Runs a command to its end and returns what it wrote to its standard output. Throws unless it ends with 0. */
export function outputOf(command: string, commandArguments: readonly string[], folder: string = root): string {
  return execute(command, commandArguments, folder, "pipe")
}

function execute(
  command: string,
  commandArguments: readonly string[],
  folder: string,
  output: "inherit" | "pipe",
): string {
  const path = `${join(root, "node_modules", ".bin")}${delimiter}${process.env["PATH"] ?? ""}`
  const result = spawnSync(command, commandArguments, {
    cwd: folder,
    env: { ...process.env, PATH: path },
    stdio: ["ignore", output, "inherit"],
    encoding: "utf8",
    maxBuffer: 64 * 1024 * 1024,
    shell: process.platform === "win32",
  })
  if (result.error !== undefined) throw result.error
  if (result.status !== 0) {
    const ending =
      result.status === null ? `was ended by ${result.signal ?? "a signal"}` : `ended with ${result.status}`
    throw new Error(`${command} ${commandArguments.join(" ")} ${ending}`)
  }
  return result.stdout
}
