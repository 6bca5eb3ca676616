// The door: from a path to a running store.

import type { Engine } from "../actors/engine.ts"
import { replaceManifest } from "../checkpoint/manifest-file.ts"
import { SHARD_COUNT_DEFAULT, SUBSCRIPTION_COUNT_MAX } from "../model/limits.ts"
import { nodePlatform } from "../platform/node/node-platform.ts"
import { startWorker } from "../platform/node/node-worker.ts"
import type { Platform } from "../platform/platform.ts"
import { storageFailed } from "../platform/system-error.ts"
import { isFoldOutcome } from "../recovery/fold-job.ts"
import type { FoldJob, FoldRun } from "../recovery/fold-job.ts"
import type { RecoveryProgress } from "../recovery/report.ts"
import { AuditLog } from "./audit-log.ts"
import type { FollowOptions, OpenOptions, PastOptions } from "./options.ts"
import { followFrom, momentFrom, platformFrom, settingsFrom } from "./settings.ts"
import type { Settings } from "./settings.ts"
import type { FollowingStore } from "./follower.ts"
import { openPast, readDirectory } from "./past.ts"
import type { PastStore } from "./past.ts"
import { takeDirectory } from "./store-directory.ts"
import type { OwnedDirectory } from "./store-directory.ts"
import { EventHub, tellAlerts } from "./store-event.ts"
import { OpenStore } from "./open-store.ts"
import type { Store } from "./store.ts"

/** The module that makes checkpoints on another thread: beside this one when bundled, at its door in the source. */
const workerUrl = new URL(
  import.meta.url.endsWith(".ts") ? "../checkpoint-worker.ts" : "./checkpoint-worker.js",
  import.meta.url,
)

/**
 * Follows a store that another process writes: its state and its changes, a moment behind. No lock, no writes.
 * Fails as for the past.
 *
 * ```ts
 * await using follower = await open("./data", { readOnly: true, follow: true })
 * for await (const commit of follower.changes()) { … }
 * ```
 */
export async function open(path: string, options: FollowOptions): Promise<FollowingStore>
/**
 * Reads the store in a directory as it was at a moment, or is now: no lock, no writes, and its owner may go on beside it.
 * Exact to the commit, as far back as the oldest checkpoint that is kept, or to the beginning if the log is whole.
 *
 * Fails with: TypeError, CannotOpen, NotAStore, HistoryExpired, UnsupportedFormat, Corruption, StorageFailed, the
 * signal's reason.
 *
 * ```ts
 * await using past = await open("./data", { readOnly: true, at: "2026-11-19T12:00Z" })
 * ```
 */
export async function open(path: string, options: PastOptions): Promise<PastStore>
/**
 * Opens the store in a directory, and makes it where there is none. Recovers, locks, reports: see `store.recovery`.
 *
 * Guarantees: one owner at a time; everything acknowledged before is there; a directory that is not a store, or cannot
 * be proven good, is refused and not changed.
 * Fails with: TypeError, CannotOpen, NotAStore, StoreLocked, UnsupportedFileSystem, UnsupportedFormat, Corruption,
 * StorageFailed, the signal's reason.
 *
 * ```ts
 * await using store = await open("./data")
 * const users = store.table<{ name: string }>("users")
 * await users.put("ada", { name: "Ada" })
 * ```
 */
export async function open(path: string, options?: OpenOptions): Promise<Store>
export async function open(
  path: string,
  options: OpenOptions | PastOptions | FollowOptions = {},
): Promise<Store | PastStore | FollowingStore> {
  if (typeof path !== "string" || path === "")
    throw new TypeError("the path of the store must be a string that is not empty")
  if (path.includes("\0")) throw new TypeError("the path of the store must not hold a NUL character")
  if (isFollowing(options)) return follow(path, options)
  if (isPast(options)) {
    const moment = momentFrom(options)
    return openPast(platformFrom(options.platform) ?? nodePlatform, path, moment, SHARD_COUNT_DEFAULT, options.signal)
  }
  const settings = settingsFrom(options)
  settings.signal?.throwIfAborted()
  const platform = settings.platform ?? nodePlatform
  // With Effect and all that is built on it: loaded for the first store, and not with the package.
  const { Engine } = await import("../actors/engine.ts")
  const owned = await takeDirectory(platform, path, settings.create, settings.segmentBytes)
  const events = new EventHub(path, platform.clock, platform.diagnostics)
  const audit = settings.audit ? auditOf(platform, path, events) : undefined
  if (settings.onAlert !== undefined) tellAlerts(events, settings.onAlert)
  let isOpening = true
  const engine = engineFor(Engine, platform, owned, settings, events, (progress) => {
    // A later recovery, after the log has failed, is nobody's to give up.
    if (!isOpening) return
    settings.signal?.throwIfAborted()
    settings.onRecovery?.(progress)
  })
  let store: Store
  try {
    await engine.start()
    isOpening = false
    settings.signal?.throwIfAborted()
    const lock = audit === undefined ? owned.lock : audit.guard(owned.lock, () => engine.status.reason)
    store = new OpenStore(path, engine, lock, settings, events)
    await engine.expiry.caughtUp
  } catch (error) {
    await engine.stop().catch(() => undefined)
    await owned.lock.release().catch(() => undefined)
    throw storageFailed("open", path, error)
  }
  events.emit({ kind: "opened", owner: platform.identity, recovery: store.recovery })
  audit?.begin()
  return store
}

function auditOf(platform: Platform, path: string, events: EventHub): AuditLog {
  const audit = new AuditLog(platform, path, (error) => events.emit({ kind: "audit-failed", error }))
  events.listen((event) => audit.note(event))
  return audit
}

async function follow(path: string, options: FollowOptions): Promise<FollowingStore> {
  const settings = { ...followFrom(options), shardCount: SHARD_COUNT_DEFAULT }
  const platform = platformFrom(options.platform) ?? nodePlatform
  const { FollowingStore: Follower } = await import("./follower.ts")
  const reading = await readDirectory(platform, path, undefined, settings.shardCount, options.signal)
  return new Follower(platform, path, reading, settings)
}

function isFollowing(options: OpenOptions | PastOptions | FollowOptions): options is FollowOptions {
  return isPast(options) && "follow" in options && options.follow === true
}

function isPast(options: OpenOptions | PastOptions | FollowOptions): options is PastOptions {
  return typeof options === "object" && options !== null && "readOnly" in options && options.readOnly === true
}

function engineFor(
  EngineClass: typeof Engine,
  platform: Platform,
  owned: OwnedDirectory,
  settings: Settings,
  events: EventHub,
  onRecovery: (progress: RecoveryProgress) => void,
): Engine {
  const { log } = owned
  const { checkpoints: keepCount, historyMs, historyBytes } = settings.keep
  return new EngineClass(
    {
      clock: platform.clock,
      directory: log,
      manifest: owned.manifest,
      saveManifest: (manifest) => replaceManifest(log.fileSystem, log.path, log.checksum, manifest),
      foundStore: owned.foundStore,
      warnings: owned.warnings,
      mendsManifest: owned.mendsManifest,
      owner: platform.identity,
      shardCount: settings.shards,
      segmentBytes: settings.segmentBytes,
      flush: settings.flush,
      backlogBytes: settings.backlog.bytes,
      waiterCountMax: settings.backlog.waiters,
      checkpoint: { ...settings.checkpoint, keepCount, historyMs, historyBytes },
      // The other thread sees the machine's own files, not a simulation's.
      startFold: settings.checkpoint.worker && platform === nodePlatform ? startFold : undefined,
      alerts: settings.alerts,
      merkle: settings.merkle,
      sha256: platform.sha256,
      compression: platform.compression,
      compressFrom: settings.compressFrom,
      eventLoop: platform.eventLoop,
      residentBytes: () => platform.residentBytes(),
      onRecovery,
      onEvent: (event) => events.emit(event),
    },
    SUBSCRIPTION_COUNT_MAX,
  )
}

function startFold(job: FoldJob, onBytes: (doneBytes: number) => void): FoldRun {
  return startWorker(workerUrl, job, isFoldOutcome, { onProgress: onBytes })
}
