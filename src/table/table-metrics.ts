// What a table tells of itself.

/** What a table holds and has done, in bytes and counts. */
export interface TableMetrics {
  /** Records. */
  readonly count: number
  /** Those that are not in the index yet: see DeferredRecords. */
  readonly deferredCount: number
  /** Bytes of the records, with header and padding. */
  readonly liveBytes: number
  /** Bytes of emptied slots, and of slots larger than their record. */
  readonly deadBytes: number
  /** Bytes of records that were overwritten or deleted, and are kept for snapshots. */
  readonly versionBytes: number
  /** Bytes taken from the allocator for records and not given back. */
  readonly allocatedBytes: number
  readonly indexBytes: number
  readonly indexSlots: number
  /** Index segments. */
  readonly segments: number
  /** Pieces of memory for records. */
  readonly chunks: number
  /** Records that compaction has moved so far. */
  readonly movedRecords: number
  /** Bytes given back to the allocator so far. */
  readonly returnedBytes: number
  /** The farthest that the index ever put an entry from its home, in slots. */
  readonly longestProbe: number
  /** The most index entries that one operation ever moved. */
  readonly longestRehash: number
}
