// Placement: which shard is home of a key. A pure function of the key's hash and the number of shards, so that the home
// is always found again, also when a store is opened with another number of shards.
//
// The low 16 bits of the hash decide, because a shard's index divides its range by the top bits.

/** The shard, from 0 to `shardCount` - 1. Requires: hash is an unsigned 32-bit integer, shardCount at most 65,535. */
export function shardOf(hash: number, shardCount: number): number {
  return ((hash & 0xffff) * shardCount) >>> 16
}
