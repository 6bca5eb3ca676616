// The store's numbers. Every one is measured where it happens; a number that nothing can change has no place here.

import type { CheckpointMetrics } from "../actors/checkpoint-report.ts"
import type { Engine } from "../actors/engine.ts"
import type { Reader } from "./reader.ts"
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
    /** Bytes that wait for the disk, and writes that wait in line. */
    readonly backlogBytes: number
    readonly waitingWrites: number
  }
  readonly tables: {
    readonly records: number
    readonly liveBytes: number
    readonly deadBytes: number
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
  readonly shards: readonly { readonly records: number; readonly isUp: boolean; readonly rebuilds: number }[]
  readonly feed: ReturnType<Engine["feed"]["metrics"]>
  readonly actors: {
    readonly recoveries: number
    /** Restarts by the actor's path. */
    readonly restarts: Readonly<Record<string, number>>
  }
}

export function collectMetrics(engine: Engine, writer: Writer, reader: Reader): StoreMetrics {
  const { log, commit } = engine
  const tables = {
    records: 0,
    liveBytes: 0,
    deadBytes: 0,
    allocatedBytes: 0,
    indexBytes: 0,
    movedRecords: 0,
    returnedBytes: 0,
  }
  engine.drainShards()
  const shards = engine.shards.map((shard) => {
    let records = 0
    for (const partition of shard.tables?.partitions ?? []) {
      if (partition === undefined) continue
      const part = partition.table.metrics()
      records += part.count
      tables.liveBytes += part.liveBytes
      tables.deadBytes += part.deadBytes
      tables.allocatedBytes += part.allocatedBytes
      tables.indexBytes += part.indexBytes
      tables.movedRecords += part.movedRecords
      tables.returnedBytes += part.returnedBytes
    }
    tables.records += records
    return { records, isUp: shard.tables !== undefined, rebuilds: shard.rebuildCount }
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
        p50: commit?.flushLatency.quantileMs(0.5) ?? 0,
        p99: commit?.flushLatency.quantileMs(0.99) ?? 0,
        max: commit?.flushLatency.maxMs ?? 0,
      },
      backlogBytes: commit?.backlogBytes ?? 0,
      waitingWrites: engine.admission.count,
    },
    tables,
    operations: { ...writer.counters, gets: reader.gets, hits: reader.hits },
    shards,
    feed: engine.feed.metrics(),
    actors: { recoveries: engine.recoveryCount, restarts: Object.fromEntries(engine.restartCounts) },
  }
}
