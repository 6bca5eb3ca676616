// The store's numbers. Every one is measured where it happens; a number that nothing can change has no place here.

import { ALERT_RULES } from "../actors/alert-rules.ts"
import type { Alert, AlertRule, AlertSeverity } from "../actors/alert-rules.ts"
import type { CheckpointMetrics } from "../actors/checkpoint-report.ts"
import type { Engine } from "../actors/engine.ts"
import type { ExpiryMetrics } from "../actors/expiry-actor.ts"
import type { MetadataMetrics } from "../actors/metadata-actor.ts"
import type { MerkleMetrics } from "../actors/merkle-actor.ts"
import type { CompressionCounters } from "../format/value-compression.ts"
import type { EventLoopDelay } from "../platform/event-loop-meter.ts"
import { LatencyHistogram } from "../wal/latency-histogram.ts"
import type { LatencyBucket } from "../wal/latency-histogram.ts"
import type { PreparedMetrics, PreparedTransactions } from "./prepared.ts"
import type { ConsumerMetrics, Consumers } from "./consumers.ts"
import type { IndexMetrics, IndexRegistry } from "./index-registry.ts"
import type { LiveMetrics, LiveQueries } from "./live-queries.ts"
import type { Reader } from "./reader.ts"
import type { SnapshotRegistry } from "./snapshot-registry.ts"
import type { Snapshots } from "./snapshot.ts"
import type { TransactionRunner } from "./transact.ts"
import type { ViewMetrics, Views } from "./views.ts"
import type { Writer } from "./writer.ts"

export interface StoreMetrics {
  readonly log: {
    /** Bytes of all frames in the log. */
    readonly bytes: number
    readonly segments: number
    readonly rotations: number
    readonly epoch: number
    readonly lastLsn: number
    readonly durableLsn: number
  }
  readonly checkpoint: CheckpointMetrics
  readonly flush: {
    readonly flushes: number
    readonly syncs: number
    readonly bytes: number
    readonly commits: number
    /** Commits in the largest batch. */
    readonly batchCommitsMax: number
    /** Milliseconds from handing a batch over until it is written or synced. */
    readonly latencyMs: { readonly p50: number; readonly p99: number; readonly max: number }
    /** How those durations are spread: cumulative counts; the bounds do not change. */
    readonly latencyHistogram: {
      readonly sumMs: number
      readonly count: number
      readonly buckets: readonly LatencyBucket[]
    }
    /** Bytes that wait for the disk, and writes that wait in line. */
    readonly backlogBytes: number
    readonly waitingWrites: number
  }
  readonly merkle: MerkleMetrics
  readonly tables: {
    readonly records: number
    /** Records of the checkpoint that the store was opened from, which are not in an index yet: fewer every moment. */
    readonly deferredRecords: number
    readonly liveBytes: number
    readonly deadBytes: number
    /** Bytes of records that were overwritten or deleted, and are kept for snapshots. */
    readonly versionBytes: number
    readonly allocatedBytes: number
    readonly indexBytes: number
    readonly movedRecords: number
    readonly returnedBytes: number
  }
  readonly operations: {
    readonly puts: number
    readonly deletes: number
    readonly batches: number
    readonly rejected: number
    readonly gets: number
    readonly hits: number
  }
  readonly compression: Readonly<CompressionCounters>
  readonly indexes: IndexMetrics
  readonly snapshots: {
    /** Those of users. */
    readonly open: number
    /** Ended to keep the bound, those of transactions included. */
    readonly expired: number
    /** Forgotten without having been closed. */
    readonly leaked: number
  }
  readonly transactions: {
    readonly committed: number
    /** Run anew, because others came first. */
    readonly retried: number
    /** Rejected, for whatever reason. */
    readonly failed: number
  }
  readonly prepared: PreparedMetrics
  readonly consumers: ConsumerMetrics
  readonly views: ViewMetrics
  readonly live: LiveMetrics
  readonly expiry: ExpiryMetrics
  readonly metadata: MetadataMetrics
  readonly shards: readonly {
    readonly records: number
    readonly liveBytes: number
    readonly allocatedBytes: number
    readonly isUp: boolean
    readonly rebuilds: number
  }[]
  readonly feed: ReturnType<Engine["feed"]["metrics"]>
  readonly actors: {
    readonly recoveries: number
    /** Restarts by the actor's path. */
    readonly restarts: Readonly<Record<string, number>>
  }
  /** The last recovery; `store.recovery` has all of it. */
  readonly recovery: {
    readonly durationMs: number
    readonly logBytes: number
    readonly commits: number
    readonly records: number
    readonly cutBytes: number
  }
  /** By how much the event loop was late within the last ten seconds that were measured. */
  readonly eventLoop: EventLoopDelay
  readonly process: {
    /** Bytes of memory that the process holds, with all that is in it. */
    readonly residentBytes: number
  }
  /** Alerts that stand, by their severity and by their rule. */
  readonly alerts: {
    readonly warning: number
    readonly critical: number
    readonly rules: Readonly<Record<AlertRule, AlertSeverity | "none">>
  }
}

/** The parts of a store that count for themselves. */
export interface MetricSources {
  readonly writer: Writer
  readonly reader: Reader
  readonly registry: SnapshotRegistry
  readonly snapshots: Snapshots
  readonly transactions: TransactionRunner
  readonly prepared: PreparedTransactions
  readonly consumers: Consumers
  readonly views: Views
  readonly indexes: IndexRegistry
  readonly live: LiveQueries
}

export function collectMetrics(engine: Engine, parts: MetricSources): StoreMetrics {
  const { writer, reader, registry, snapshots, transactions, prepared, consumers, views, indexes, live } = parts
  const { log, commit, monitor } = engine
  const latency = commit?.flushLatency ?? new LatencyHistogram()
  const report = engine.recovered?.report
  const tables = {
    records: 0,
    deferredRecords: 0,
    liveBytes: 0,
    deadBytes: 0,
    versionBytes: 0,
    allocatedBytes: 0,
    indexBytes: 0,
    movedRecords: 0,
    returnedBytes: 0,
  }
  engine.drainShards()
  const shards = engine.shards.map((shard) => {
    const own = { records: 0, liveBytes: 0, allocatedBytes: 0 }
    for (const partition of shard.tables?.partitions ?? []) {
      if (partition === undefined) continue
      const part = partition.table.metrics()
      own.records += part.count
      own.liveBytes += part.liveBytes
      own.allocatedBytes += part.allocatedBytes
      tables.deferredRecords += part.deferredCount
      tables.deadBytes += part.deadBytes
      tables.versionBytes += part.versionBytes
      tables.indexBytes += part.indexBytes
      tables.movedRecords += part.movedRecords
      tables.returnedBytes += part.returnedBytes
    }
    tables.records += own.records
    tables.liveBytes += own.liveBytes
    tables.allocatedBytes += own.allocatedBytes
    return { ...own, isUp: shard.tables !== undefined, rebuilds: shard.rebuildCount }
  })
  return {
    log: {
      bytes: log?.sizeBytes ?? 0,
      segments: log?.segmentCount ?? 0,
      rotations: log?.rotationCount ?? 0,
      epoch: log?.epoch ?? 0,
      lastLsn: log?.endLsn ?? 0,
      durableLsn: log?.durableLsn ?? 0,
    },
    checkpoint: engine.checkpointer.metrics(),
    flush: {
      flushes: commit?.counters.flushes ?? 0,
      syncs: commit?.counters.syncs ?? 0,
      bytes: commit?.counters.bytes ?? 0,
      commits: commit?.counters.commits ?? 0,
      batchCommitsMax: commit?.counters.batchCommitsMax ?? 0,
      latencyMs: {
        p50: latency.quantileMs(0.5),
        p99: latency.quantileMs(0.99),
        max: latency.maxMs,
      },
      latencyHistogram: { sumMs: latency.sumMs, count: latency.count, buckets: latency.buckets() },
      backlogBytes: commit?.backlogBytes ?? 0,
      waitingWrites: engine.admission.count,
    },
    merkle: engine.merkle.metrics(),
    tables,
    operations: { ...writer.counters, gets: reader.gets, hits: reader.hits },
    compression: { ...writer.compressor.counters },
    indexes: indexes.metrics(),
    snapshots: {
      open: snapshots.openCount,
      expired: registry.retention.expiredCount,
      leaked: snapshots.leakedCount,
    },
    transactions: { ...transactions.counters },
    prepared: prepared.metrics(),
    consumers: consumers.metrics(),
    views: views.metrics(),
    live: live.metrics(),
    expiry: engine.expiry.metrics(),
    metadata: engine.pipelines.metrics(),
    shards,
    feed: engine.feed.metrics(),
    actors: { recoveries: engine.recoveryCount, restarts: Object.fromEntries(engine.restartCounts) },
    recovery: {
      durationMs: report?.durationMs ?? 0,
      logBytes: report?.logBytes ?? 0,
      commits: report?.commits ?? 0,
      records: report?.records ?? 0,
      cutBytes: report?.cutBytes ?? 0,
    },
    eventLoop: monitor.eventLoop,
    process: { residentBytes: engine.settings.residentBytes() },
    alerts: alertsOf(monitor.alerts),
  }
}

function alertsOf(standing: readonly Alert[]): StoreMetrics["alerts"] {
  const severityOf = (rule: AlertRule): AlertSeverity | "none" =>
    standing.find((alert) => alert.rule === rule)?.severity ?? "none"
  const countOf = (severity: AlertSeverity): number => standing.filter((alert) => alert.severity === severity).length
  return {
    warning: countOf("warning"),
    critical: countOf("critical"),
    rules: Object.fromEntries(ALERT_RULES.map((rule) => [rule, severityOf(rule)])) as StoreMetrics["alerts"]["rules"],
  }
}
