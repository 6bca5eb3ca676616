// The machine that the figures are of, and the lock that keeps two benchmarks from measuring each other.

import { statfsSync } from "node:fs"
import { availableParallelism, cpus, loadavg, release, tmpdir, totalmem, type } from "node:os"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"

/** In the words of statfs(2), those whose syncs cost something else than a disk's. */
const fileSystemNames: Readonly<Record<number, string>> = {
  0xef53: "ext4",
  0x58465342: "xfs",
  0x9123683e: "btrfs",
  0x01021994: "tmpfs (memory: syncs cost nothing, figures of durable writes mean nothing)",
  0x794c7630: "overlayfs",
  0x2fc12fc1: "zfs",
  0x6969: "nfs",
}

const LOCK_RETRY_MS = 500

export function describeMachine(directory: string): string {
  const [cpu] = cpus()
  const fileSystem = statfsSync(directory).type
  return [
    `Node ${process.versions.node}, V8 ${process.versions.v8}`,
    `${type()} ${release()}`,
    `${availableParallelism()} x ${cpu?.model.trim() ?? "unknown processor"}`,
    `${(totalmem() / 2 ** 30).toFixed(0)} GiB`,
    `data on ${fileSystemNames[fileSystem] ?? `file system 0x${fileSystem.toString(16)}`}`,
    `load ${loadavg()
      .map((load) => load.toFixed(1))
      .join(" ")}`,
  ].join(", ")
}

/** Whether something else keeps the processors busy: figures of such a machine are noise. */
export function isLoaded(): boolean {
  return (loadavg()[0] ?? 0) > 0.5 * availableParallelism()
}

/**
 * Waits for its turn among the benchmarks of this machine. The lock is SQLite's on a file, so it goes with the process,
 * however that ends.
 */
export async function takeBenchmarkLock(say: (message: string) => void): Promise<() => void> {
  const path = join(tmpdir(), "orrery-bench.lock")
  const database = new DatabaseSync(path)
  for (let isFirst = true; ; isFirst = false) {
    try {
      database.exec("BEGIN EXCLUSIVE")
      return () => database.close()
    } catch (error) {
      if (!(error instanceof Error) || !error.message.includes("locked")) throw error
      if (isFirst) say(`another benchmark runs on this machine: waiting for ${path}`)
      await new Promise((resolve) => setTimeout(resolve, LOCK_RETRY_MS))
    }
  }
}
