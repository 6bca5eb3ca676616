// The operating system's files behind the contract of `platform/file-system.ts`. Keeps nothing itself but the locks;
// errors are the system's own. Every name that it promises to make durable is made so by syncing its directory.

import * as fs from "node:fs"
import { dirname, join, resolve } from "node:path"
import type { DirectoryLock, FileHandle, FileMode, FileStat, FileSystem, LockRefusal } from "../file-system.ts"
import { openNodeFile } from "./node-file-handle.ts"
import { lockDirectory } from "./node-lock.ts"
import { callSystem, systemCodeOf } from "./system-call.ts"

export const nodeFileSystem: FileSystem = {
  open(path: string, mode: FileMode): Promise<FileHandle> {
    return openNodeFile(path, mode)
  },

  rename(source: string, target: string): Promise<void> {
    return callSystem<void>(source, (done) => fs.rename(source, target, (error) => done(error)))
  },

  link(source: string, target: string): Promise<void> {
    return callSystem<void>(source, (done) => fs.link(source, target, (error) => done(error)))
  },

  unlink(path: string): Promise<void> {
    return callSystem<void>(path, (done) => fs.unlink(path, (error) => done(error)))
  },

  async list(path: string): Promise<readonly string[]> {
    const names = await callSystem<string[]>(path, (done) => fs.readdir(path, done))
    return names.sort()
  },

  async stat(path: string): Promise<FileStat | undefined> {
    const entry = await statOrNothing(path, fs.lstat)
    if (entry === undefined || !entry.isSymbolicLink()) return entry && fileStatOf(entry)
    const target = await statOrNothing(path, fs.stat)
    // A link to nowhere is something: creating a file of that name would fail.
    return fileStatOf(target ?? entry)
  },

  makeDirectory,

  removeDirectory(path: string): Promise<void> {
    return callSystem<void>(path, (done) => fs.rmdir(path, (error) => done(error)))
  },

  syncDirectory,

  lock(directory: string, fileName: string): Promise<DirectoryLock | LockRefusal> {
    return lockDirectory(directory, fileName)
  },

  async freeBytes(path: string): Promise<number | undefined> {
    const stats = await statFileSystem(path)
    return stats && stats.bavail * stats.bsize
  },

  async totalBytes(path: string): Promise<number | undefined> {
    const stats = await statFileSystem(path)
    return stats && stats.blocks * stats.bsize
  },

  join(directory: string, name: string): string {
    return join(directory, name)
  },
}

// The name of what is there already is synced too: an earlier call may have been killed between creating it and syncing
// it, and then a power cut would take it, with everything written into it since.
async function makeDirectory(path: string): Promise<void> {
  const missing: string[] = []
  let existing = resolve(path)
  while (!(await isDirectory(existing)) && dirname(existing) !== existing) {
    missing.push(existing)
    existing = dirname(existing)
  }
  await syncNameOfExisting(existing)
  for (const directory of missing.reverse()) {
    await createDirectory(directory)
    await syncDirectory(dirname(directory))
  }
}

/** Another process may create it at the same time. */
async function createDirectory(path: string): Promise<void> {
  try {
    await callSystem<void>(path, (done) => fs.mkdir(path, (error) => done(error)))
  } catch (error) {
    if (systemCodeOf(error) !== "EEXIST" || !(await isDirectory(path))) throw error
  }
}

async function syncDirectory(path: string): Promise<void> {
  // Windows opens no directory; NTFS journals its names by itself.
  if (process.platform === "win32") return
  const descriptor = await callSystem<number>(path, (done) => fs.open(path, fs.constants.O_RDONLY, done))
  try {
    await callSystem<void>(path, (done) => fs.fsync(descriptor, (error) => done(error)))
  } finally {
    await callSystem<void>(path, (done) => fs.close(descriptor, (error) => done(error ?? null)))
  }
}

/** Whoever may use a directory need not be allowed to open the one above: then its name was made by somebody else. */
async function syncNameOfExisting(directory: string): Promise<void> {
  const parent = dirname(directory)
  if (parent === directory) return
  try {
    await syncDirectory(parent)
  } catch (error) {
    const code = systemCodeOf(error)
    if (code !== "EACCES" && code !== "EPERM" && code !== "EROFS") throw error
  }
}

async function isDirectory(path: string): Promise<boolean> {
  const stats = await statOrNothing(path, fs.stat)
  return stats?.isDirectory() ?? false
}

/** Undefined where the system says nothing of the file system. */
async function statFileSystem(path: string): Promise<fs.StatsFs | undefined> {
  try {
    return await callSystem<fs.StatsFs>(path, (done) => fs.statfs(path, done))
  } catch (error) {
    if (systemCodeOf(error) === undefined) throw error
    return undefined
  }
}

type StatFunction = (path: string, done: (error: NodeJS.ErrnoException | null, stats: fs.Stats) => void) => void

async function statOrNothing(path: string, statFunction: StatFunction): Promise<fs.Stats | undefined> {
  try {
    return await callSystem<fs.Stats>(path, (done) => statFunction(path, done))
  } catch (error) {
    if (systemCodeOf(error) === "ENOENT") return undefined
    throw error
  }
}

function fileStatOf(stats: fs.Stats): FileStat {
  const kind = stats.isFile() ? "file" : stats.isDirectory() ? "directory" : "other"
  return { kind, size: stats.size }
}
