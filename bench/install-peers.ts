// Installs the peers into bench/node_modules when they are not there in the versions that bench/package.json names. Without
// them the benchmarks run all the same: the peers are then 'not available'.

import { spawnSync } from "node:child_process"
import { readFileSync } from "node:fs"
import { join } from "node:path"

const folder = import.meta.dirname

/** Undefined when all is well, else why not. */
export function installPeers(say: (message: string) => void): string | undefined {
  if (isInstalled()) return undefined
  say("installing the peers into bench/node_modules")
  const { status, error, stderr } = spawnSync("npm", ["install", "--no-save", "--loglevel=error"], {
    cwd: folder,
    stdio: ["ignore", "ignore", "pipe"],
    encoding: "utf8",
    shell: process.platform === "win32",
  })
  if (error !== undefined) return error.message
  return status === 0 ? undefined : `npm install ended with ${String(status)}: ${stderr.trim()}`
}

function isInstalled(): boolean {
  const { dependencies } = readJson(join(folder, "package.json")) as { dependencies: Readonly<Record<string, string>> }
  return Object.entries(dependencies).every(([name, version]) => {
    try {
      const found = readJson(join(folder, "node_modules", name, "package.json")) as { readonly version: string }
      return found.version === version
    } catch {
      return false
    }
  })
}

function readJson(path: string): unknown {
  return JSON.parse(readFileSync(path, "utf8"))
}
