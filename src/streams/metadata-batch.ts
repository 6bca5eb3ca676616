// What metadata pipelines are given: batches of samples and of sums, never one access at a time. Data only.

/** - `get`: a read that found something; `miss`: one that did not. */
export type AccessKind = "get" | "miss" | "put" | "delete"

/** A sample of accesses. Entry i of each list is of access i; they are in the order in which they were taken. */
export interface AccessBatch {
  readonly count: number
  /** Accesses that each of them stands for, on average. */
  readonly every: number
  readonly kinds: readonly AccessKind[]
  readonly tables: readonly string[]
  readonly keys: readonly string[]
  /** The keys' hashes: those of one store can be compared, and say nothing elsewhere. */
  readonly hashes: Uint32Array
  readonly shards: Uint16Array
  /** When, on the monotonic clock. */
  readonly timesMs: Float64Array
  /** When the batch was given out, on the same clock. */
  readonly atMs: number
}

/** What was written into a table's part in one shard. */
export interface WriteSum {
  readonly table: string
  readonly shard: number
  readonly puts: number
  readonly deletes: number
  /** Bytes of the records in the log. */
  readonly bytes: number
}

/** Everything that was written into the log since the batch before: counted, not sampled. */
export interface WriteBatch {
  readonly sums: readonly WriteSum[]
  readonly commits: number
  /** When the batch was given out, on the monotonic clock. */
  readonly atMs: number
}
