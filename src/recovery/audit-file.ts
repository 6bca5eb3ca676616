// The audit log of a store: a file of JSON lines in its directory that says what happened to the store and who had it,
// for people and their tools. Lines are only ever added; at 1 MiB the file becomes the one before, and that one goes.
//
// No promise of the store depends on it: recovery does not read it, verify has nothing to check it by, and where it cannot
// be written the store goes on. A power cut may tear the last line, or leave a hole: the next line begins on a line of its
// own, and whoever reads passes over what is no line.

import { AUDIT_FILE, AUDIT_PREVIOUS_FILE } from "../format/file-names.ts"
import { StorageFailed } from "../model/errors.ts"
import { probe } from "../model/invariant.ts"
import type { FileHandle, FileSystem } from "../platform/file-system.ts"
import type { Platform } from "../platform/platform.ts"
import { isSystemError, storageFailed, systemCodeOf } from "../platform/system-error.ts"
import { readFully, writeFully } from "../platform/transfer.ts"

/** Bytes of the file at which a new one is begun. */
export const AUDIT_SIZE_MAX: number = 1024 * 1024

/** Characters of a text in an entry, and texts in a list; the rest is cut. */
const TEXT_LENGTH_MAX = 300
const TEXT_COUNT_MAX = 5

const NEW_LINE = 10

/** A number, a text, or a few texts: warnings. */
export type AuditFact = number | boolean | string | readonly string[]

/** The few facts that matter, under names of their own; undefined ones are left out. */
export type AuditFacts = Readonly<Record<string, AuditFact | undefined>>

/** What a line says. */
export interface AuditEntry {
  /** Of the wall clock, as ISO 8601 has it. */
  readonly time: string
  /** What happened: "opened", "checkpointed", … */
  readonly kind: string
  /** The process: "pid 4711 on host a". */
  readonly owner: string
  readonly [fact: string]: AuditFact
}

/** The entry as a line, of bounded length. */
export function auditLine(timeMs: number, kind: string, owner: string, facts: AuditFacts): string {
  const fixed = { time: new Date(timeMs).toISOString(), kind, owner: shortened(owner) }
  const told = Object.entries(facts).map(([name, fact]) => [
    name,
    typeof fact === "object" ? fact.slice(0, TEXT_COUNT_MAX).map((text) => shortened(text)) : shortened(fact),
  ])
  // First in the line, and not a fact's to replace.
  return `${JSON.stringify(Object.assign({ ...fixed }, Object.fromEntries(told), fixed))}\n`
}

function shortened(fact: string | number | boolean | undefined): string | number | boolean | undefined {
  if (typeof fact === "string") return fact.slice(0, TEXT_LENGTH_MAX).toWellFormed()
  // Of a duration people read no more than microseconds.
  return typeof fact === "number" ? Math.round(fact * 1000) / 1000 : fact
}

/**
 * Adds lines at the end of the audit log, and makes the file where there is none. `syncs`: whether they, and those before
 * them, are on stable storage afterwards. Takes back what it could write only in part.
 *
 * Fails with what the operating system fails with.
 */
export async function appendLines(fileSystem: FileSystem, path: string, text: string, syncs: boolean): Promise<void> {
  const file = fileSystem.join(path, AUDIT_FILE)
  let handle = await openOrCreate(fileSystem, file)
  try {
    let size = await handle.size()
    if (size > 0 && size + Buffer.byteLength(text) >= AUDIT_SIZE_MAX) {
      await handle.close()
      await fileSystem.rename(file, fileSystem.join(path, AUDIT_PREVIOUS_FILE))
      handle = await fileSystem.open(file, "create")
      size = 0
    }
    const isWhole = size === 0 || (await byteAt(handle, size - 1)) === NEW_LINE
    if (!isWhole) probe("a torn line of the audit log is ended")
    try {
      await writeFully(handle, Buffer.from(isWhole ? text : `\n${text}`), size, false)
      if (syncs) await handle.dataSync()
    } catch (error) {
      // So that trying again does not leave halves of lines, nor the same lines twice. The failure itself is told.
      await handle.truncate(size).catch(() => undefined)
      throw error
    }
  } finally {
    await handle.close()
  }
}

/** Writes one entry for an act on a store that nobody has open: the caller holds its lock. False where that failed. */
export async function appendAudit(platform: Platform, path: string, kind: string, facts: AuditFacts): Promise<boolean> {
  const line = auditLine(platform.clock.wallMs(), kind, platform.identity, facts)
  try {
    await appendLines(platform.fileSystem, path, line, true)
    return true
  } catch (error) {
    // The act is done, and its own report tells of it.
    if (!isSystemError(error)) throw error
    return false
  }
}

/** Copies what one directory's audit log says into another's, which has none. What fails is left out: nobody needs it. */
export async function carryAudit(fileSystem: FileSystem, from: string, into: string): Promise<void> {
  try {
    for (const name of [AUDIT_PREVIOUS_FILE, AUDIT_FILE]) {
      const text = await textOf(fileSystem, from, name)
      if (text !== "") await appendLines(fileSystem, into, text, false)
    }
  } catch (error) {
    if (!(error instanceof StorageFailed) && !isSystemError(error)) throw error
  }
}

export interface AuditReading {
  /** Oldest first. */
  readonly entries: readonly AuditEntry[]
  /** Lines that are none: torn by a power cut, or somebody else's. */
  readonly brokenLines: number
}

/** What the audit log of a directory says, without the lock. Fails with: StorageFailed. */
export async function readAudit(fileSystem: FileSystem, path: string): Promise<AuditReading> {
  const entries: AuditEntry[] = []
  let brokenLines = 0
  for (const name of [AUDIT_PREVIOUS_FILE, AUDIT_FILE]) {
    for (const line of (await textOf(fileSystem, path, name)).split("\n")) {
      if (line === "") continue
      const entry = entryOf(line)
      if (entry === undefined) brokenLines++
      else entries.push(entry)
    }
  }
  return { entries, brokenLines }
}

function entryOf(line: string): AuditEntry | undefined {
  let value: unknown
  try {
    value = JSON.parse(line)
  } catch {
    return undefined
  }
  if (typeof value !== "object" || value === null) return undefined
  const { time, kind, owner } = value as Partial<Record<string, unknown>>
  const isEntry = [time, kind, owner].every((part) => typeof part === "string")
  return isEntry ? (value as AuditEntry) : undefined
}

async function textOf(fileSystem: FileSystem, path: string, name: string): Promise<string> {
  try {
    const handle = await fileSystem.open(fileSystem.join(path, name), "read")
    try {
      // It was never larger, but by another's hand.
      const bytes = new Uint8Array(Math.min(await handle.size(), 2 * AUDIT_SIZE_MAX))
      const size = await readFully(handle, bytes, 0)
      return Buffer.from(bytes.buffer, 0, size).toString()
    } finally {
      await handle.close()
    }
  } catch (error) {
    if (systemCodeOf(error) === "ENOENT") return ""
    throw storageFailed("read", name, error)
  }
}

async function openOrCreate(fileSystem: FileSystem, file: string): Promise<FileHandle> {
  try {
    return await fileSystem.open(file, "write")
  } catch (error) {
    if (systemCodeOf(error) !== "ENOENT") throw error
    return fileSystem.open(file, "create")
  }
}

/** 0 behind the end of the file. */
async function byteAt(handle: FileHandle, position: number): Promise<number | undefined> {
  const byte = new Uint8Array(1)
  await readFully(handle, byte, position)
  return byte[0]
}
