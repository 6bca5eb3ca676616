// Every bound of the engine in one place. A bound that the file format depends on is marked; it changes only with the
// format version. `test/model/limits.test.ts` asserts the bounds against each other.

/** Longest key, in bytes of UTF-8. Format. */
export const KEY_SIZE_MAX = 4_096
/** Longest table name, in bytes of UTF-8. Format. */
export const TABLE_NAME_SIZE_MAX = 255
/** Most tables in a store. Format. */
export const TABLE_COUNT_MAX = 65_535
/** Largest encoded value, in bytes. Format. */
export const VALUE_SIZE_MAX: number = 16 * 1024 * 1024
/** Largest payload of one frame, in bytes. Format. */
export const FRAME_PAYLOAD_SIZE_MAX: number = 64 * 1024 * 1024
/** Largest commit, in bytes of its records: a frame holds it and what was in the batch before it. */
export const COMMIT_SIZE_MAX: number = 48 * 1024 * 1024
/** Largest backlog that may be configured, in bytes. */
export const BACKLOG_SIZE_MAX: number = 16 * 1024 * 1024
/** Most operations in one atomic batch. Format. */
export const BATCH_OPERATION_COUNT_MAX = 1_000_000
/** Most operations in one prepared transaction: its COMMIT must fit a frame whatever the records take. */
export const PREPARED_OPERATION_COUNT_MAX = 100_000
/** Deepest nesting of a value. Format. */
export const VALUE_DEPTH_MAX = 256
/** Most object shapes that a store learns; further shapes are written in full. Format. */
export const SHAPE_COUNT_MAX = 4_096
/** Most fields of an object shape that is learnt. Format. */
export const SHAPE_FIELD_COUNT_MAX = 128

/** Smallest and largest segment, in bytes. Format. */
export const SEGMENT_SIZE_MIN: number = 4 * 1024
export const SEGMENT_SIZE_MAX: number = 1024 * 1024 * 1024
/** Default segment, in bytes. Small: unlinking or renaming over a big file blocks for 0.23 ms a MiB. */
export const SEGMENT_SIZE_DEFAULT: number = 16 * 1024 * 1024
/** Retired segments kept for reuse. */
export const SPARE_SEGMENT_COUNT_MAX = 2

/** Shards of a store. */
export const SHARD_COUNT_DEFAULT = 8
export const SHARD_COUNT_MAX = 256

/** Actor restarts: more than this many in the window escalate. */
export const RESTART_COUNT_MAX = 10
export const RESTART_WINDOW_MS = 60_000

/** Change subscriptions of a store. */
export const SUBSCRIPTION_COUNT_MAX = 10_000
/** Keys that one change subscription names. */
export const SUBSCRIBED_KEY_COUNT_MAX = 100_000

/** Live queries and watched keys of a store. */
export const LIVE_VALUE_COUNT_MAX = 100_000

/** LSNs are kept in 48 bits. Format. */
export const LSN_MAX: number = 2 ** 48 - 1

/** Longest key of a secondary index, in bytes of its ordered form: a text of ASCII takes two more than it has letters. */
export const INDEX_KEY_SIZE_MAX = 1_024
/** Most keys that an index takes from one value. */
export const INDEX_KEYS_OF_VALUE_MAX = 1_000
/** Most indexes of a table. */
export const INDEX_COUNT_MAX = 64
