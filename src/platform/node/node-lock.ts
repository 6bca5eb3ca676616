// The lock of a directory: an exclusive transaction of SQLite on a lock file, never committed. It holds across processes
// and network namespaces, and the kernel frees it the moment its owner dies, also by kill -9; an abstract socket did not
// hold across namespaces. Inside one process SQLite itself sees the second lock, by device and inode, whatever the path
// and the thread. The file stays empty and stays there; only whether it is locked counts.
//
// Nothing in this process may open and close the lock file by other means: POSIX takes away all locks that a process has
// on a file when it closes any descriptor of it. That is why the owner is written into a file of its own.

import * as fs from "node:fs/promises"
import { hostname } from "node:os"
import { join } from "node:path"
import type { DatabaseSync } from "node:sqlite"
import type { DirectoryLock, LockRefusal } from "../file-system.ts"
import { systemCodeOf, systemError } from "./system-call.ts"

const UNKNOWN_OWNER = "an unknown process"
const OWNER_PATTERN = /^pid (\d+) on host (\S+) since \S+$/

const SQLITE_BUSY = 5
const SQLITE_READONLY = 8
const SQLITE_NOT_A_DATABASE = 26

/** Types of statfs(2) whose locks and syncs promise nothing. */
const NETWORK_FILE_SYSTEMS: ReadonlyMap<number, string> = new Map([
  [0x6969, "NFS"],
  [0x517b, "SMB"],
  [0xff534d42, "CIFS"],
  [0xfe534d42, "SMB2"],
])

// A database that nobody refers to is closed by the garbage collector, and its lock with it.
const held = new Set<DatabaseSync>()

/**
 * Takes the lock, or says who has it.
 * Fails with: EOPNOTSUPP on a network file system; otherwise the operating system's error that stood in the way.
 */
export async function lockDirectory(directory: string, fileName: string): Promise<DirectoryLock | LockRefusal> {
  const realDirectory = await fs.realpath(directory)
  const kind = networkFileSystemOf((await fs.statfs(realDirectory)).type)
  if (kind !== undefined) throw systemError("EOPNOTSUPP", `the directory is on ${kind}`, "lock", directory)

  const lockPath = join(realDirectory, fileName)
  const ownerPath = `${lockPath}.owner`
  await checkRights(realDirectory, lockPath)
  const database = await lockFile(lockPath)
  if (database === undefined) return { heldBy: await readOwner(ownerPath) }
  held.add(database)
  const lock = new NodeDirectoryLock(database, ownerPath)
  try {
    await writeOwner(ownerPath)
    return lock
  } catch (error) {
    await lock.release()
    throw error
  }
}

/** The kind of network file system that a statfs type stands for; undefined for a local one. */
export function networkFileSystemOf(type: number): string | undefined {
  return NETWORK_FILE_SYSTEMS.get(type >>> 0)
}

class NodeDirectoryLock implements DirectoryLock {
  // Constant after construction.
  readonly #database: DatabaseSync
  readonly #ownerPath: string

  #released: Promise<void> | undefined

  constructor(database: DatabaseSync, ownerPath: string) {
    this.#database = database
    this.#ownerPath = ownerPath
  }

  release(): Promise<void> {
    this.#released ??= this.#release()
    return this.#released
  }

  async #release(): Promise<void> {
    try {
      // Before the lock is free: afterwards the file could be the next owner's.
      await fs.rm(this.#ownerPath, { force: true })
    } finally {
      held.delete(this.#database)
      this.#database.close()
    }
  }
}

/** SQLite would open a file that it may not write read-only, and say little of why it cannot open another. */
async function checkRights(directory: string, lockPath: string): Promise<void> {
  await fs.access(directory, fs.constants.W_OK | fs.constants.X_OK)
  try {
    const stats = await fs.lstat(lockPath)
    if (!stats.isFile()) throw systemError("EEXIST", "something other than a file has this name", "lock", lockPath)
    await fs.access(lockPath, fs.constants.R_OK | fs.constants.W_OK)
  } catch (error) {
    if (systemCodeOf(error) !== "ENOENT") throw error
  }
}

/** The database that holds the lock; undefined when another has it. */
async function lockFile(lockPath: string): Promise<DatabaseSync | undefined> {
  const sqlite = loadSqlite(lockPath)
  let database: DatabaseSync | undefined
  try {
    database = new sqlite.DatabaseSync(lockPath)
    // Nothing of the transaction reaches the disk. The pragma at the end writes into its cache only, and so fails if
    // SQLite had to open the file read-only, where BEGIN EXCLUSIVE takes no exclusive lock and does not say so.
    database.exec("PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE; PRAGMA user_version = 1")
    return database
  } catch (error) {
    database?.close()
    const sqliteCode = sqliteCodeOf(error)
    if (sqliteCode === SQLITE_BUSY) return undefined
    throw await reasonOf(error, sqliteCode, lockPath)
  }
}

/** Without the warning that node:sqlite is experimental, which older versions print when it is loaded. */
function loadSqlite(lockPath: string): typeof import("node:sqlite") {
  const emitWarning: unknown = Reflect.get(process, "emitWarning")
  process.emitWarning = () => undefined
  try {
    // Undefined where Node was built or started without it.
    const sqlite = process.getBuiltinModule("node:sqlite") as typeof import("node:sqlite") | undefined
    if (sqlite === undefined) throw systemError("ENOSYS", "this Node has no node:sqlite", "lock", lockPath)
    return sqlite
  } finally {
    Reflect.set(process, "emitWarning", emitWarning)
  }
}

/** The operating system's error behind SQLite's, found by trying what SQLite tried. */
async function reasonOf(error: unknown, sqliteCode: number | undefined, lockPath: string): Promise<unknown> {
  if (sqliteCode === undefined) return error
  if (sqliteCode === SQLITE_READONLY) return systemError("EROFS", "read-only lock file", "lock", lockPath, error)
  if (sqliteCode === SQLITE_NOT_A_DATABASE) {
    return systemError("EEXIST", "the file of this name is not a lock file", "lock", lockPath, error)
  }
  const probePath = `${lockPath}.${process.pid}.probe`
  try {
    await (await fs.open(probePath, "wx")).close()
    await fs.unlink(probePath)
  } catch (reason) {
    return reason
  }
  return systemError("EIO", "SQLite cannot lock the file", "lock", lockPath, error)
}

/** The primary code of SQLite's error, without what its extended codes add; undefined for any other error. */
function sqliteCodeOf(error: unknown): number | undefined {
  if (!(error instanceof Error) || !("errcode" in error)) return undefined
  return typeof error.errcode === "number" ? error.errcode & 0xff : undefined
}

/** For the eyes of the one who is refused. A lock is a lock without it, so a full disk does not stand in the way. */
async function writeOwner(ownerPath: string): Promise<void> {
  const text = `pid ${process.pid} on host ${hostname()} since ${new Date().toISOString()}\n`
  const unfinishedPath = `${ownerPath}.new`
  try {
    await fs.writeFile(unfinishedPath, text)
    await fs.rename(unfinishedPath, ownerPath)
  } catch (error) {
    if (systemCodeOf(error) === undefined) throw error
    // Better no name than the name of an earlier owner.
    await Promise.allSettled([fs.rm(unfinishedPath, { force: true }), fs.rm(ownerPath, { force: true })])
  }
}

async function readOwner(ownerPath: string): Promise<string> {
  let text: string
  try {
    text = (await fs.readFile(ownerPath, "utf8")).trim()
  } catch (error) {
    if (systemCodeOf(error) === undefined) throw error
    return UNKNOWN_OWNER
  }
  const match = OWNER_PATTERN.exec(text)
  if (match === null) return UNKNOWN_OWNER
  // Whoever holds the lock has not written its name yet; this is that of one before it.
  const isGone = match[2] === hostname() && !isAlive(Number(match[1]))
  return isGone ? UNKNOWN_OWNER : text
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return systemCodeOf(error) !== "ESRCH"
  }
}
