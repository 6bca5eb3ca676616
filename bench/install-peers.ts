// Installs the peers into bench/node_modules when they are not there in the versions that bench/package.json names. Without
// them the benchmarks run all the same: the peers are then 'not available'.

import { spawnSync } from "node:child_process"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { redisVersion } from "./peers/redis-server.ts"

const folder = import.meta.dirname
const INSTALL_MS_MAX = 180_000

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

/** Redis is a package of the system, where that has apt-get. Undefined when it is there, else why not. */
export function installRedis(say: (message: string) => void): string | undefined {
  if (redisVersion() !== undefined) return undefined
  if (spawnSync("apt-get", ["--version"]).status !== 0) return "there is neither redis-server nor apt-get"
  say("installing redis-server with apt-get")
  const { status, stderr } = spawnSync("apt-get", ["install", "-y", "--no-install-recommends", "redis-server"], {
    env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" },
    encoding: "utf8",
    timeout: INSTALL_MS_MAX,
    stdio: ["ignore", "ignore", "pipe"],
  })
  if (redisVersion() !== undefined) return undefined
  return `apt-get ended with ${String(status)}: ${stderr.trim().split("\n").at(-1) ?? ""}`
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
