// Keeps what Node compiled for the processes that tests start, for the other processes of the same run: without it they
// spend most of their time on compiling the engine once more.

import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

export function setup(): (() => void) | undefined {
  // Once a run, and never where somebody has said where.
  if (process.env["NODE_COMPILE_CACHE"] !== undefined) return undefined
  const directory = mkdtempSync(join(tmpdir(), "orrery-compiled-"))
  process.env["NODE_COMPILE_CACHE"] = directory
  return () => rmSync(directory, { recursive: true, force: true })
}
