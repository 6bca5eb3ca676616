// What the engine makes of the options that a store is opened with: every default filled in. Unknown names and wrong types
// are refused before anything is touched: a misspelt bound must not silently be no bound.

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
import type { AlertThresholds } from "../actors/alert-rules.ts"
import type { MerkleRules } from "../actors/merkle-rules.ts"
import type { Durability } from "../model/durability.ts"
import type { Moment } from "../recovery/find-past.ts"
import type { RecoveryProgress } from "../recovery/report.ts"
import { COMPRESS_NEVER } from "../format/value-compression.ts"
import type { Platform } from "../platform/platform.ts"
import { compressFrom } from "./compression-settings.ts"
import { merkleFrom } from "./merkle-settings.ts"
import { durabilityFrom, integer, isBoolean, isSignal, optional, record, share, show } from "./option-checks.ts"
import type {
  AlertOptions,
  BacklogOptions,
  CheckpointOptions,
  FlushOptions,
  FollowOptions,
  KeepOptions,
  PastOptions,
  PreparedOptions,
  SnapshotOptions,
} from "./options.ts"

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
  readonly prepared: Required<PreparedOptions>
  readonly merkle: MerkleRules
  readonly compressFrom: number
  readonly shards: number
  readonly segmentBytes: number
  readonly create: boolean
  readonly audit: boolean
  readonly onRecovery: ((progress: RecoveryProgress) => void) | undefined
  readonly signal: AbortSignal | undefined
  /** Undefined: this machine. */
  readonly platform: Platform | undefined
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
const PREPARED_DEFAULTS: Required<PreparedOptions> = { warnMs: 60_000, abortMs: 0, count: 100_000, decisions: 10_000 }
const KEEP_DEFAULTS: Required<KeepOptions> = { checkpoints: 3, historyMs: 0, historyBytes: 0 }

/** Throws a TypeError that names the option, what it was given, and what it takes. */
export function settingsFrom(options: unknown): Settings {
  const given = record("options", options, [
    "durability",
    "flush",
    "backlog",
    "alerts",
    "checkpoint",
    "keep",
    "snapshots",
    "prepared",
    "merkle",
    "compress",
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
  const prepared = preparedFrom(given["prepared"])
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
    ...alertsFrom(given["alerts"], prepared.warnMs),
    prepared,
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
    merkle: merkleFrom(given["merkle"]),
    compressFrom: compressFrom(given["compress"]) ?? COMPRESS_NEVER,
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
    platform: platformFrom(given["platform"]),
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

function preparedFrom(value: unknown): Required<PreparedOptions> {
  const given = record("prepared", value ?? {}, Object.keys(PREPARED_DEFAULTS))
  const { warnMs, abortMs, count, decisions } = PREPARED_DEFAULTS
  const longestMs = Number.MAX_SAFE_INTEGER
  return {
    warnMs: integer("prepared.warnMs", given["warnMs"], warnMs, 0, longestMs, "milliseconds"),
    abortMs: integer("prepared.abortMs", given["abortMs"], abortMs, 0, longestMs, "milliseconds"),
    count: integer("prepared.count", given["count"], count, 1, 10_000_000),
    decisions: integer("prepared.decisions", given["decisions"], decisions, 1, 10_000_000),
  }
}

function alertsFrom(
  value: unknown,
  warnMs: number,
): { alerts: AlertThresholds | undefined; onAlert: AlertOptions["onAlert"] } {
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
    inDoubtMs: count("inDoubtMs", warnMs > 0 ? warnMs : Number.MAX_SAFE_INTEGER, "milliseconds"),
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

/** The platform that options give. Throws a TypeError. */
export function platformFrom(value: unknown): Platform | undefined {
  return optional("platform", value, "Platform, which has a fileSystem and a clock", isPlatform)
}

function isPlatform(value: unknown): value is Platform {
  return typeof value === "object" && value !== null && "fileSystem" in value && "clock" in value
}

function isProgressListener(value: unknown): value is (progress: RecoveryProgress) => void {
  return typeof value === "function"
}

function isAlertListener(value: unknown): value is NonNullable<AlertOptions["onAlert"]> {
  return typeof value === "function"
}
