// Every error that a user can meet, apart from TypeError (wrong arguments) and InvariantViolation (a defect).
// Plain tagged classes: the Promise API throws them, Effect.catchTag matches the same objects. `docs/errors.md` has a
// heading for each code. A code never changes its meaning.

/** What all errors of the engine share. */
export abstract class OrreryError extends Error {
  abstract readonly _tag: string
  /** Stable, for programs: `ORRERY_…`. */
  abstract readonly code: string
  /** What happened, without the remedy. */
  readonly summary: string
  /** One sentence that tells the operator what to do. */
  readonly remedy: string

  constructor(summary: string, remedy: string, cause?: unknown) {
    super(`${summary}. ${remedy}`, cause === undefined ? undefined : { cause })
    this.summary = summary
    this.remedy = remedy
  }
}

/** A directory or file cannot be opened as a store: missing rights, a file in its place, not a directory. */
export class CannotOpen extends OrreryError {
  override readonly _tag = "CannotOpen"
  override readonly code = "ORRERY_CANNOT_OPEN"
  override readonly name = "CannotOpen"
  readonly path: string
  constructor(path: string, reason: string, remedy: string, cause?: unknown) {
    super(`cannot open ${path}: ${reason}`, remedy, cause)
    this.path = path
  }
}

/** The directory holds files that are not a store's. */
export class NotAStore extends OrreryError {
  override readonly _tag = "NotAStore"
  override readonly code = "ORRERY_NOT_A_STORE"
  override readonly name = "NotAStore"
  readonly path: string
  readonly foreignName: string
  constructor(path: string, foreignName: string) {
    super(
      `${path} is not an Orrery store: it holds "${foreignName}"`,
      "Choose an empty or a new directory; nothing in this one was changed",
    )
    this.path = path
    this.foreignName = foreignName
  }
}

/** Another process, or this one, has the store open. */
export class StoreLocked extends OrreryError {
  override readonly _tag = "StoreLocked"
  override readonly code = "ORRERY_LOCKED"
  override readonly name = "StoreLocked"
  readonly path: string
  readonly heldBy: string
  constructor(path: string, heldBy: string) {
    super(`${path} is open already, by ${heldBy}`, "Close the store there, or end that process, and open it again")
    this.path = path
    this.heldBy = heldBy
  }
}

/** The directory lies on a file system that cannot hold a lock or a sync promise (NFS, SMB). */
export class UnsupportedFileSystem extends OrreryError {
  override readonly _tag = "UnsupportedFileSystem"
  override readonly code = "ORRERY_UNSUPPORTED_FILE_SYSTEM"
  override readonly name = "UnsupportedFileSystem"
  readonly path: string
  constructor(path: string, kind: string, cause?: unknown) {
    super(
      `${path} is on ${kind}, which keeps no promise about locks and syncs`,
      "Use a directory on a local disk",
      cause,
    )
    this.path = path
  }
}

/** The store was written by a newer version, or with a feature that this one does not know. */
export class UnsupportedFormat extends OrreryError {
  override readonly _tag = "UnsupportedFormat"
  override readonly code = "ORRERY_UNSUPPORTED_FORMAT"
  override readonly name = "UnsupportedFormat"
  readonly file: string
  readonly formatVersion: number
  constructor(file: string, found: string, formatVersion: number) {
    super(
      `${file} has ${found}`,
      "Open it with the orrery-db version that wrote it, or a newer one; no byte was changed",
    )
    this.file = file
    this.formatVersion = formatVersion
  }
}

/** Bytes on disk that cannot be proven good. Nothing was changed; nothing is started afresh. */
export class Corruption extends OrreryError {
  override readonly _tag = "Corruption"
  override readonly code = "ORRERY_CORRUPTION"
  override readonly name = "Corruption"
  readonly file: string
  /** Byte offset in the file. */
  readonly offset: number
  /** The last position that is known good before the damage. */
  readonly lsn: number
  /** What was found, for a report of the damage. */
  readonly found: string
  constructor(file: string, offset: number, lsn: number, found: string) {
    super(
      `${file} is damaged at byte ${offset}, after LSN ${lsn}: ${found}`,
      "Keep a copy of the directory, then restore a backup; check the disk before using it again",
    )
    this.file = file
    this.offset = offset
    this.lsn = lsn
    this.found = found
  }
}

/** The operating system failed an operation on the store's files. */
export class StorageFailed extends OrreryError {
  override readonly _tag = "StorageFailed"
  override readonly code = "ORRERY_STORAGE_FAILED"
  override readonly name = "StorageFailed"
  readonly operation: string
  readonly file: string
  /** The operating system's code: "EIO", "EMFILE", … */
  readonly systemCode: string
  constructor(operation: string, file: string, systemCode: string, cause?: unknown) {
    super(`${operation} of ${file} failed with ${systemCode}`, storageRemedy(systemCode), cause)
    this.operation = operation
    this.file = file
    this.systemCode = systemCode
  }
}

/** The write was refused and left no trace, live or recovered. It may be tried again. */
export class WriteRejected extends OrreryError {
  override readonly _tag = "WriteRejected"
  override readonly code = "ORRERY_WRITE_REJECTED"
  override readonly name = "WriteRejected"
  constructor(reason: string, remedy: string, cause?: unknown) {
    super(`the write left no trace: ${reason}`, remedy, cause)
  }
}

/** The write or its sync failed half-way: it may or may not survive. Read after recovery to learn which. */
export class CommitUnknown extends OrreryError {
  override readonly _tag = "CommitUnknown"
  override readonly code = "ORRERY_COMMIT_UNKNOWN"
  override readonly name = "CommitUnknown"
  readonly lsn: number
  constructor(lsn: number, cause?: unknown) {
    super(
      `the log failed while LSN ${lsn} was on its way to the disk: it may or may not survive`,
      "Read the key again once the store has recovered, and write again if the value is not there",
      cause,
    )
    this.lsn = lsn
  }
}

/** A bound of the engine was passed: key, value, batch, name, depth, subscriptions. */
export class LimitExceeded extends OrreryError {
  override readonly _tag = "LimitExceeded"
  override readonly code = "ORRERY_LIMIT_EXCEEDED"
  override readonly name = "LimitExceeded"
  readonly what: string
  readonly limit: number
  readonly actual: number
  constructor(what: string, limit: number, actual: number, remedy: string) {
    super(`${what} is ${actual}, the limit is ${limit}`, remedy)
    this.what = what
    this.limit = limit
    this.actual = actual
  }
}

/** A key that cannot be kept exactly: not a string, or not well-formed Unicode. */
export class KeyRefused extends OrreryError {
  override readonly _tag = "KeyRefused"
  override readonly code = "ORRERY_KEY_REFUSED"
  override readonly name = "KeyRefused"
  constructor(reason: string) {
    super(`the key ${reason}`, "Use a well-formed string as key")
  }
}

/** A value, or a part of it, that cannot be kept and given back exactly. */
export class ValueRefused extends OrreryError {
  override readonly _tag = "ValueRefused"
  override readonly code = "ORRERY_VALUE_REFUSED"
  override readonly name = "ValueRefused"
  /** Where in the value: `$.address.lines[2]`. */
  readonly path: string
  constructor(path: string, reason: string, remedy: string) {
    super(`the value cannot be stored: ${path} ${reason}`, remedy)
    this.path = path
  }
}

/** The table's schema refused the value. */
export class SchemaMismatch extends OrreryError {
  override readonly _tag = "SchemaMismatch"
  override readonly code = "ORRERY_SCHEMA_MISMATCH"
  override readonly name = "SchemaMismatch"
  readonly table: string
  readonly key: string
  /** One line an issue, `path: message`. */
  readonly issues: readonly string[]
  constructor(table: string, key: string, issues: readonly string[]) {
    super(
      `the value for "${key}" does not fit the schema of table "${table}": ${issues.join("; ")}`,
      "Mend the value, or the schema",
    )
    this.table = table
    this.key = key
    this.issues = issues
  }
}

/** Use after close, or of a store that gave up. */
export class StoreClosed extends OrreryError {
  override readonly _tag = "StoreClosed"
  override readonly code = "ORRERY_CLOSED"
  override readonly name = "StoreClosed"
  constructor(reason: string, remedy: string, cause?: unknown) {
    super(`the store is closed: ${reason}`, remedy, cause)
  }
}

/** A read or write that needs an actor which is being restarted just now. */
export class Restarting extends OrreryError {
  override readonly _tag = "Restarting"
  override readonly code = "ORRERY_RESTARTING"
  override readonly name = "Restarting"
  readonly actor: string
  constructor(actor: string) {
    super(`${actor} is being restarted`, "Await store.ready() and try again")
    this.actor = actor
  }
}

/** Too many writes wait for room in the log already. */
export class Overloaded extends OrreryError {
  override readonly _tag = "Overloaded"
  override readonly code = "ORRERY_OVERLOADED"
  override readonly name = "Overloaded"
  readonly waiting: number
  constructor(waiting: number) {
    super(
      `${waiting} writes wait for room in the log already; this one left no trace`,
      "Await the promises of earlier writes, or raise backlog.waiters",
    )
    this.waiting = waiting
  }
}

/** The state that was asked for is older than everything that is kept. */
export class HistoryExpired extends OrreryError {
  override readonly _tag = "HistoryExpired"
  override readonly code = "ORRERY_HISTORY_EXPIRED"
  override readonly name = "HistoryExpired"
  readonly lsn: number
  /** The oldest state that is still there; Infinity where there is none. */
  readonly oldest: number
  /** `timeMs`: where a time was asked for, and the LSN is what it stands for. */
  constructor(lsn: number, oldest: number, timeMs?: number) {
    const asked = timeMs === undefined ? `at LSN ${lsn}` : `of ${new Date(timeMs).toISOString()}`
    super(
      `the state ${asked} is gone; the oldest still there is that at LSN ${oldest}`,
      "Ask for a later one; keep more checkpoints, which keep the log behind them",
    )
    this.lsn = lsn
    this.oldest = oldest
  }
}

/** The changes after the cursor are not in the log any more. */
export class CursorExpired extends OrreryError {
  override readonly _tag = "CursorExpired"
  override readonly code = "ORRERY_CURSOR_EXPIRED"
  override readonly name = "CursorExpired"
  readonly after: number
  readonly oldest: number
  constructor(after: number, oldest: number) {
    super(
      `the changes after LSN ${after} are gone; the oldest still there is ${oldest}`,
      "Read the tables once, then follow from the position that you read at",
    )
    this.after = after
    this.oldest = oldest
  }
}

/** An older owner's handle of the log: a newer epoch has begun. Never retry. */
export class Fenced extends OrreryError {
  override readonly _tag = "Fenced"
  override readonly code = "ORRERY_FENCED"
  override readonly name = "Fenced"
  readonly epoch: number
  constructor(epoch: number) {
    super(`epoch ${epoch} of the log has ended`, "Open the store again")
    this.epoch = epoch
  }
}

/** The log cannot say whether an append happened. Reopen it to learn the outcome. */
export class LogUnavailable extends OrreryError {
  override readonly _tag = "LogUnavailable"
  override readonly code = "ORRERY_LOG_UNAVAILABLE"
  override readonly name = "LogUnavailable"
  constructor(reason: string, cause?: unknown) {
    super(`the log is not available: ${reason}`, "The store recovers by itself; see status", cause)
  }
}

/** A tree of actors restarted more often than its intensity allows, or lost a part that it cannot do without. */
export class Escalated extends OrreryError {
  override readonly _tag = "Escalated"
  override readonly code = "ORRERY_ESCALATED"
  override readonly name = "Escalated"
  readonly supervisor: string
  readonly child: string
  constructor(supervisor: string, child: string, reason: string, cause?: unknown) {
    super(
      `supervisor "${supervisor}" gave up on "${child}": ${reason}`,
      "Mend the cause, then open the store again",
      cause,
    )
    this.supervisor = supervisor
    this.child = child
  }
}

function storageRemedy(systemCode: string): string {
  switch (systemCode) {
    case "ENOSPC":
    case "EDQUOT":
      return "Make room on the disk; the store accepts writes again by itself"
    case "EMFILE":
    case "ENFILE":
      return "Raise the limit of open files (ulimit -n), then open the store again"
    case "EACCES":
    case "EPERM":
    case "EROFS":
      return "Give the process the right to write there, or choose another directory"
    default:
      return "Check the disk and the system log, then open the store again"
  }
}
