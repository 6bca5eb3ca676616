// Backups and what they are for: backup and restore. Both read the store's files without its lock, so that they may run
// beside the process that has it open; what is written into is locked.

import { resolve } from "node:path"
import { nodePlatform } from "../platform/node/node-platform.ts"
import { backupStore } from "../store/backup-store.ts"
import type { BackupReport } from "../store/backup.ts"
import { restoreStore } from "../store/restore.ts"
import type { RestoreReport } from "../store/restore.ts"
import { command, countFlag, directoryArgument, switchFlag, textArgument, textFlag } from "./action.ts"
import type { AnyCommand } from "./action.ts"
import { CommandFailure, EXIT_USAGE } from "./failure.ts"
import { countOf, durationText, Progress, sizeText } from "./progress.ts"

const backup = command(
  "backup",
  "Puts the state of a store into another directory, which is a store itself; beside its owner",
  {
    dir: directoryArgument,
    into: textArgument("into", "The backup's directory: not there yet, empty, or an earlier backup of this store"),
    keepDays: countFlag("keep-days", "n", "Days back to which backups stay restorable; 0 if left out", 0),
    noLink: switchFlag("no-link", "Copy also where the file system can give a file a second name"),
  },
  async ({ dir, into, keepDays, noLink }, output) => {
    const progress = new Progress("backup", nodePlatform.clock)
    const report = await backupStore({
      from: resolve(dir),
      into: resolve(into),
      link: !noLink,
      ...(keepDays === undefined ? {} : { keepDays }),
      onProgress: ({ doneBytes, totalBytes }) => progress.update(doneBytes, totalBytes),
    }).finally(() => progress.end())
    if (output.isJson) await output.document(report)
    else for (const line of backupLines(report)) await output.line(line)
    return undefined
  },
)

const restore = command(
  "restore",
  "Writes a new store with the state of a backup, or of any store, as it was at a moment",
  {
    from: textArgument("from", "The backup, or the directory of any store; it is only read"),
    into: textFlag("into", "dir", "Where the new store goes: not there yet, empty, or with --force a store"),
    to: textFlag("to", "lsn|time", "The last commit of the state, or a time such as 2026-11-19T12:00Z"),
    force: switchFlag("force", "Replace the store in --into; it counts until the new one is whole"),
  },
  async ({ from, into, to, force }, output) => {
    if (into === undefined) throw usage("--into is missing", "Say where the new store goes: --into <dir>")
    const progress = new Progress("restore", nodePlatform.clock)
    const report = await restoreStore({
      from: resolve(from),
      into: resolve(into),
      force,
      ...(to === undefined ? {} : { at: momentOf(to) }),
      onProgress: ({ doneBytes, totalBytes }) => progress.update(doneBytes, totalBytes),
    }).finally(() => progress.end())
    if (output.isJson) await output.document(report)
    else for (const line of restoreLines(report)) await output.line(line)
    return undefined
  },
)

export const backupCommands: readonly AnyCommand[] = [backup, restore]

/** Digits alone are an LSN. */
function momentOf(text: string): number | Date {
  if (/^\d+$/.test(text)) return Number(text)
  const time = new Date(text)
  if (!Number.isNaN(time.getTime())) return time
  throw usage(`"${text}" is neither an LSN nor a time`, "Give a whole number, or a time such as 2026-11-19T12:00Z")
}

function usage(summary: string, remedy: string): CommandFailure {
  return new CommandFailure("USAGE", summary, remedy, EXIT_USAGE)
}

function backupLines(report: BackupReport): readonly string[] {
  const { path, lsn, records, sizeBytes, linkedBytes, copiedBytes, removedBytes, keptLsns, durationMs } = report
  const taken = [
    ...(linkedBytes > 0 ? [`${sizeText(linkedBytes)} linked`] : []),
    ...(copiedBytes > 0 ? [`${sizeText(copiedBytes)} copied`] : []),
  ]
  return [
    `${path} holds LSN ${lsn}: ${countOf(records, "record")}, ${sizeText(sizeBytes)}`,
    `${taken.length === 0 ? "it held that already" : taken.join(", ")}; ${durationText(durationMs)}`,
    ...(removedBytes > 0 ? [`${sizeText(removedBytes)} of earlier backups removed`] : []),
    ...(keptLsns.length > 1 ? [`restorable: LSN ${keptLsns.join(", ")}`] : []),
  ]
}

function restoreLines({ path, lsn, timeMs, records, bytes, durationMs }: RestoreReport): readonly string[] {
  const time = timeMs > 0 ? ` of ${new Date(timeMs).toISOString()}` : ""
  return [
    `${path} holds LSN ${lsn}${time}: ${countOf(records, "record")}, ${sizeText(bytes)}`,
    `read back and good; ${durationText(durationMs)}`,
  ]
}
