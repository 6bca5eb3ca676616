// What a user may ask for when opening a store, and what the engine makes of it. Unknown names and wrong types are
// refused before anything is touched: a misspelt bound must not silently be no bound.

import {
  BACKLOG_SIZE_MAX,
  LSN_MAX,
  SEGMENT_SIZE_DEFAULT,
  SEGMENT_SIZE_MAX,
  SEGMENT_SIZE_MIN,
  SHARD_COUNT_DEFAULT,
  SHARD_COUNT_MAX,
} from "../model/limits.ts"
import { ALERT_DEFAULTS } from "../actors/alert-rules.ts"
import type { Alert, AlertThresholds } from "../actors/alert-rules.ts"
import { DURABILITIES } from "../model/durability.ts"
import type { Durability } from "../model/durability.ts"
import type { Platform } from "../platform/platform.ts"
import type { Moment } from "../recovery/find-past.ts"
import type { RecoveryProgress } from "../recovery/report.ts"

export interface FlushOptions {
  /** Commits in a batch that make it go at once. Default 65,536. */
  readonly records?: number
  /** Bytes in a batch that make it go at once. Default 262,144. */
  readonly bytes?: number
  /** Milliseconds that a batch waits for company. Default 0: it goes as soon as the flush before it has ended. */
  readonly delayMs?: number
  /** Milliseconds that a commit below `synced` may wait for its sync. Default 100. */
  readonly syncDelayMs?: number
}

export interface BacklogOptions {
  /** Bytes of commits that may wait for the disk; further writes wait in line. Default 8 MiB, at most 16 MiB. */
  readonly bytes?: number
  /** Writes that may wait in line; further ones fail with Overloaded. Default 1,000,000. */
  readonly waiters?: number
}

export interface CheckpointOptions {
  /** Bytes of the log that recovery would replay, at which a checkpoint is made. Default 64 MiB. */
  readonly logBytes?: number
  /** Commits that recovery would replay, at which one is made. Default: no bound. */
  readonly commits?: number
  /** Milliseconds after which one is made, if anything was written. Default 0: never for that reason. */
  readonly intervalMs?: number
  /**
   * Part of the last checkpoint and the log behind it that is of no more use, from which on `logBytes` are enough, however
   * large the state was. Default 0.5; 1: never for that reason.
   */
  readonly redundancy?: number
  /** Whether one is made when the store is closed. Default false. */
  readonly onClose?: boolean
  /** Whether large ones are made by a worker thread. Default true; false: on this thread, in slices. */
  readonly worker?: boolean
}

export interface KeepOptions {
  /** Newest checkpoints that are kept, with the log behind the oldest of them. Default 3. */
  readonly checkpoints?: number
  /** Milliseconds back to which every state can be read, if that takes more than those checkpoints. Default 0. */
  readonly historyMs?: number
  /** Bytes of log behind the oldest state that can be read, if that takes more than those checkpoints. Default 0. */
  readonly historyBytes?: number
}

export interface SnapshotOptions {
  /** Bytes of overwritten and deleted records that are kept for snapshots; above, the oldest ends. Default 64 MiB. */
  readonly bytes?: number
  /** Snapshots that may be open at a time, those of transactions aside. Default 1,000. */
  readonly count?: number
}

export interface AlertOptions extends Partial<AlertThresholds> {
  /** Told of every alert that is raised, also with another severity, or cleared. */
  readonly onAlert?: (alert: Alert, change: "raised" | "cleared") => void
}

export interface OpenOptions {
  /** When a write's promise resolves, unless its table or the write itself says otherwise. Default "synced". */
  readonly durability?: Durability
  readonly flush?: FlushOptions
  readonly backlog?: BacklogOptions
  /** What an operator is told of, and from where on. False: nothing. */
  readonly alerts?: AlertOptions | false
  /** When the log is folded into a checkpoint. False: only by hand. */
  readonly checkpoint?: CheckpointOptions | false
  /** What is kept of the past. */
  readonly keep?: KeepOptions
  /** What snapshots may keep. */
  readonly snapshots?: SnapshotOptions
  /** Parts that the tables are divided into, each under an actor of its own. Default 8. May change from open to open. */
  readonly shards?: number
  /** Bytes of a log segment. Default 16 MiB. */
  readonly segmentBytes?: number
  /** False: fail where there is no store yet. Default true. */
  readonly create?: boolean
  /** Whether an audit log is kept in the directory: audit.log, a line for each turn in the store's life. Default true. */
  readonly audit?: boolean
  /** Told how recovery gets on while the store is opened; what it throws gives up opening. */
  readonly onRecovery?: (progress: RecoveryProgress) => void
  /** Gives up opening. */
  readonly signal?: AbortSignal
  /** What the engine takes from outside; the simulation replaces it. Default: this machine. */
  readonly platform?: Platform
}

/** For a store as it was, or is at this moment, without writing. */
export interface PastOptions {
  readonly readOnly: true
  /**
   * Which state: the LSN of its last commit, or a time (a Date, or a text that Date takes). Default: the newest.
   * Times are those of the writer's clock; where it jumped back, commits count as made no earlier than those before them.
   */
  readonly at?: number | string | Date
  /** Gives up opening. */
  readonly signal?: AbortSignal
  /** What the engine takes from outside. Default: this machine. */
  readonly platform?: Platform
}

/** For a store that another process writes, read along. */
export interface FollowOptions extends Omit<PastOptions, "at"> {
  readonly follow: true
  /** Milliseconds between two looks at the end of the log. Default 20. */
  readonly lookMs?: number
  /**
   * What it does when the owner has let go of what it has not read yet: start again from the newest checkpoint, or end
   * with CursorExpired. Default "restart".
   */
  readonly whenBehind?: "restart" | "fail"
}

/** Options with every default filled in. */
export interface Settings {
  readonly durability: Durability
  readonly flush: Required<FlushOptions>
  readonly backlog: Required<BacklogOptions>
  readonly checkpoint: Required<CheckpointOptions>
  /** Undefined: no alerts. */
  readonly alerts: AlertThresholds | undefined
  readonly onAlert: AlertOptions["onAlert"]
  readonly keep: Required<KeepOptions>
  readonly snapshots: Required<SnapshotOptions>
  readonly shards: number
  readonly segmentBytes: number
  readonly create: boolean
  readonly audit: boolean
  readonly onRecovery: ((progress: RecoveryProgress) => void) | undefined
  readonly signal: AbortSignal | undefined
}

const FLUSH_DEFAULTS: Required<FlushOptions> = { records: 65_536, bytes: 262_144, delayMs: 0, syncDelayMs: 100 }
const BACKLOG_DEFAULTS: Required<BacklogOptions> = { bytes: 8 * 1024 * 1024, waiters: 1_000_000 }
const CHECKPOINT_DEFAULTS: Required<CheckpointOptions> = {
  logBytes: 64 * 1024 * 1024,
  commits: Number.MAX_SAFE_INTEGER,
  intervalMs: 0,
  redundancy: 0.5,
  onClose: false,
  worker: true,
}
const SNAPSHOT_DEFAULTS: Required<SnapshotOptions> = { bytes: 64 * 1024 * 1024, count: 1_000 }
const KEEP_DEFAULTS: Required<KeepOptions> = { checkpoints: 3, historyMs: 0, historyBytes: 0 }

/** Throws a TypeError that names the option, what it was given, and what it takes. */
export function settingsFrom(options: unknown): Settings {
  const given = record("options", options ?? {}, [
    "durability",
    "flush",
    "backlog",
    "alerts",
    "checkpoint",
    "keep",
    "snapshots",
    "shards",
    "segmentBytes",
    "create",
    "audit",
    "onRecovery",
    "signal",
    "platform",
  ])
  const flush = record("flush", given["flush"] ?? {}, Object.keys(FLUSH_DEFAULTS))
  const keep = record("keep", given["keep"] ?? {}, Object.keys(KEEP_DEFAULTS))
  const backlog = record("backlog", given["backlog"] ?? {}, Object.keys(BACKLOG_DEFAULTS))
  return {
    durability: durabilityFrom("durability", given["durability"]) ?? "synced",
    flush: {
      records: integer("flush.records", flush["records"], FLUSH_DEFAULTS.records, 1, 1_000_000),
      bytes: integer("flush.bytes", flush["bytes"], FLUSH_DEFAULTS.bytes, 1, BACKLOG_SIZE_MAX, "bytes"),
      delayMs: integer("flush.delayMs", flush["delayMs"], FLUSH_DEFAULTS.delayMs, 0, 60_000, "milliseconds"),
      syncDelayMs: integer(
        "flush.syncDelayMs",
        flush["syncDelayMs"],
        FLUSH_DEFAULTS.syncDelayMs,
        1,
        60_000,
        "milliseconds",
      ),
    },
    backlog: {
      bytes: integer("backlog.bytes", backlog["bytes"], BACKLOG_DEFAULTS.bytes, 1, BACKLOG_SIZE_MAX, "bytes"),
      waiters: integer("backlog.waiters", backlog["waiters"], BACKLOG_DEFAULTS.waiters, 1, 100_000_000),
    },
    checkpoint: checkpointFrom(given["checkpoint"]),
    ...alertsFrom(given["alerts"]),
    keep: {
      checkpoints: integer("keep.checkpoints", keep["checkpoints"], KEEP_DEFAULTS.checkpoints, 1, 1000),
      historyMs: integer(
        "keep.historyMs",
        keep["historyMs"],
        KEEP_DEFAULTS.historyMs,
        0,
        Number.MAX_SAFE_INTEGER,
        "milliseconds",
      ),
      historyBytes: integer(
        "keep.historyBytes",
        keep["historyBytes"],
        KEEP_DEFAULTS.historyBytes,
        0,
        Number.MAX_SAFE_INTEGER,
        "bytes",
      ),
    },
    snapshots: snapshotsFrom(given["snapshots"]),
    shards: integer("shards", given["shards"], SHARD_COUNT_DEFAULT, 1, SHARD_COUNT_MAX),
    segmentBytes:
      integer(
        "segmentBytes",
        given["segmentBytes"],
        SEGMENT_SIZE_DEFAULT,
        SEGMENT_SIZE_MIN,
        SEGMENT_SIZE_MAX,
        "bytes",
      ) & ~7,
    create: optional("create", given["create"], "boolean", isBoolean) ?? true,
    audit: optional("audit", given["audit"], "boolean", isBoolean) ?? true,
    onRecovery: optional("onRecovery", given["onRecovery"], "function", isProgressListener),
    signal: optional("signal", given["signal"], "AbortSignal", isSignal),
  }
}

function checkpointFrom(value: unknown): Required<CheckpointOptions> {
  const never = Number.MAX_SAFE_INTEGER
  if (value === false) return { ...CHECKPOINT_DEFAULTS, logBytes: never }
  const given = record("checkpoint", value ?? {}, Object.keys(CHECKPOINT_DEFAULTS))
  const { logBytes, commits, intervalMs, redundancy, onClose, worker } = CHECKPOINT_DEFAULTS
  return {
    logBytes: integer("checkpoint.logBytes", given["logBytes"], logBytes, 1, never, "bytes"),
    commits: integer("checkpoint.commits", given["commits"], commits, 1, never),
    intervalMs: integer("checkpoint.intervalMs", given["intervalMs"], intervalMs, 0, never, "milliseconds"),
    redundancy: share("checkpoint.redundancy", given["redundancy"], redundancy),
    onClose: optional("checkpoint.onClose", given["onClose"], "boolean", isBoolean) ?? onClose,
    worker: optional("checkpoint.worker", given["worker"], "boolean", isBoolean) ?? worker,
  }
}

function snapshotsFrom(value: unknown): Required<SnapshotOptions> {
  const given = record("snapshots", value ?? {}, Object.keys(SNAPSHOT_DEFAULTS))
  const { bytes, count } = SNAPSHOT_DEFAULTS
  return {
    bytes: integer("snapshots.bytes", given["bytes"], bytes, 1, Number.MAX_SAFE_INTEGER, "bytes"),
    count: integer("snapshots.count", given["count"], count, 1, 1_000_000),
  }
}

function alertsFrom(value: unknown): { alerts: AlertThresholds | undefined; onAlert: AlertOptions["onAlert"] } {
  if (value === false) return { alerts: undefined, onAlert: undefined }
  const given = record("alerts", value ?? {}, [...Object.keys(ALERT_DEFAULTS), "onAlert"])
  const count = (name: keyof AlertThresholds, fallback: number = ALERT_DEFAULTS[name], unit?: string): number =>
    integer(`alerts.${name}`, given[name], fallback, 1, Number.MAX_SAFE_INTEGER, unit)
  const logWarningBytes = count("logWarningBytes", undefined, "bytes")
  const diskFreeShare = share("alerts.diskFreeShare", given["diskFreeShare"], ALERT_DEFAULTS.diskFreeShare)
  const alerts: AlertThresholds = {
    logWarningBytes,
    // Where only one of the two is given, the other gives way.
    logCriticalBytes: count("logCriticalBytes", Math.max(ALERT_DEFAULTS.logCriticalBytes, logWarningBytes), "bytes"),
    redundancy: share("alerts.redundancy", given["redundancy"], ALERT_DEFAULTS.redundancy),
    diskFreeShare,
    diskCriticalShare: share(
      "alerts.diskCriticalShare",
      given["diskCriticalShare"],
      Math.min(ALERT_DEFAULTS.diskCriticalShare, diskFreeShare),
    ),
    flushLatencyMs: count("flushLatencyMs", undefined, "milliseconds"),
    eventLoopMs: count("eventLoopMs", undefined, "milliseconds"),
    restarts: count("restarts"),
    checkpointFailures: count("checkpointFailures"),
  }
  return { alerts, onAlert: optional("alerts.onAlert", given["onAlert"], "function", isAlertListener) }
}

/** The moment that read-only options ask for. Throws a TypeError. */
export function momentFrom(options: PastOptions): Moment {
  record("options", options, ["readOnly", "at", "signal", "platform"])
  const { at } = options
  if (at === undefined) return undefined
  if (typeof at === "number") return { lsn: integer("at", at, 0, 0, LSN_MAX) }
  const isTime = typeof at === "string" || at instanceof Date
  const timeMs = isTime ? new Date(at).getTime() : Number.NaN
  if (Number.isNaN(timeMs)) throw new TypeError(`at must be an LSN, a Date, or a text that Date takes, not ${show(at)}`)
  return { timeMs }
}

/** The settings of a follower. Throws a TypeError. */
export function followFrom(options: FollowOptions): {
  readonly lookMs: number
  readonly whenBehind: "restart" | "fail"
} {
  record("options", options, ["readOnly", "follow", "lookMs", "whenBehind", "signal", "platform"])
  const { whenBehind = "restart" } = options
  if (whenBehind !== "restart" && whenBehind !== "fail") {
    throw new TypeError(`whenBehind must be "restart" or "fail", not ${show(whenBehind)}`)
  }
  return { lookMs: integer("lookMs", options.lookMs, 20, 1, 60_000, "milliseconds"), whenBehind }
}

/** The durability, undefined where none is given. Throws a TypeError for anything else. */
export function durabilityFrom(name: string, value: unknown): Durability | undefined {
  if (value === undefined) return undefined
  const found = DURABILITIES.find((durability) => durability === value)
  if (found !== undefined) return found
  throw new TypeError(`${name} must be one of "${DURABILITIES.join('", "')}", not ${show(value)}`)
}

/** An object that has no other names than these. */
export function record(name: string, value: unknown, allowed: readonly string[]): Readonly<Record<string, unknown>> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new TypeError(`${name} must be an object, not ${show(value)}`)
  }
  for (const key of Object.keys(value)) {
    if (!allowed.includes(key)) {
      throw new TypeError(`${name} has no "${key}"; it takes ${allowed.map((known) => `"${known}"`).join(", ")}`)
    }
  }
  return value as Readonly<Record<string, unknown>>
}

/** A whole number within bounds. Throws a TypeError. */
export function integer(
  name: string,
  value: unknown,
  fallback: number,
  low: number,
  high: number,
  unit?: string,
): number {
  if (value === undefined) return fallback
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= low && value <= high) return value
  const inUnits = unit === undefined ? "" : ` in ${unit}`
  throw new TypeError(`${name} must be a whole number${inUnits} from ${low} to ${high}, not ${show(value)}`)
}

function share(name: string, value: unknown, fallback: number): number {
  if (value === undefined) return fallback
  if (typeof value === "number" && value >= 0 && value <= 1) return value
  throw new TypeError(`${name} must be a number from 0 to 1, not ${show(value)}`)
}

function optional<T>(name: string, value: unknown, kind: string, is: (value: unknown) => value is T): T | undefined {
  if (value === undefined) return undefined
  if (is(value)) return value
  throw new TypeError(`${name} must be of type ${kind}, not ${show(value)}`)
}

function isBoolean(value: unknown): value is boolean {
  return typeof value === "boolean"
}

function isProgressListener(value: unknown): value is (progress: RecoveryProgress) => void {
  return typeof value === "function"
}

function isAlertListener(value: unknown): value is NonNullable<AlertOptions["onAlert"]> {
  return typeof value === "function"
}

function isSignal(value: unknown): value is AbortSignal {
  return value instanceof AbortSignal
}

function show(value: unknown): string {
  return typeof value === "string" ? JSON.stringify(value) : String(value)
}
