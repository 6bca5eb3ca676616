// What a table, and a write to it, may be asked for.

import type { Durability } from "../model/durability.ts"
import type { CompressOption } from "./compression-settings.ts"
import type { AnyIndexes, IndexDefinitions } from "./index-definition.ts"
import type { StandardSchema } from "./standard-schema.ts"

export interface TableOptions<Value, Indexes = AnyIndexes, Unique extends string = string> {
  /** Checks, and may transform, every value that is put. */
  readonly schema?: StandardSchema<unknown, Value>
  /** Default: the store's. */
  readonly durability?: Durability
  /** Orders of the table beside that of its keys, by name; see docs/indexes.md. Default: none. */
  readonly indexes?: Indexes & IndexDefinitions<Value>
  /** Indexes in which a key is there only once; a name that is in no index stands for the field of that name. */
  readonly unique?: readonly Unique[]
  /** How long a key lives, in milliseconds, that is put through this handle without a `ttl` of its own. Default: for ever. */
  readonly ttl?: number
  /** Whether values that are large are compressed from now on, by all handles of the table. Default: as it is; at first the store's. */
  readonly compress?: CompressOption
}

export interface WriteOptions {
  /** When the promise resolves. Default: the table's. */
  readonly durability?: Durability
  /** Takes the write back as long as it waits for room in the log; later it has no effect. */
  readonly signal?: AbortSignal
}

export interface DeleteOptions extends WriteOptions {
  /** Only if the key still has this version, as `getVersioned` gave it; 0: only if there is none. */
  readonly ifVersion?: number
}

/** How long a key is to live. */
export interface TtlOptions {
  /** Milliseconds, from 1 to a hundred years; Infinity: for ever. Default: the table's. */
  readonly ttl?: number
}

export interface PutManyOptions extends WriteOptions, TtlOptions {}

export interface PutOptions extends DeleteOptions, TtlOptions {
  /** Only if the key holds nothing. */
  readonly ifAbsent?: boolean
}
