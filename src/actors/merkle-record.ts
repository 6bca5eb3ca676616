// The root in the log: the record of a system table that holds the last one that was written there. In the log it stands
// behind the commit that it is of, and anything may stand in between.

import { allocateRecordBuffer } from "../format/record.ts"
import { RecordWriter } from "../format/record-writer.ts"
import { ShapeRegistry } from "../format/shape-registry.ts"
import { ValueDecoder } from "../format/value-decoder.ts"
import { ValueEncoder } from "../format/value-encoder.ts"
import type { MerkleRoot } from "../model/merkle.ts"
import { SYSTEM_TABLE_PREFIX } from "../model/system-tables.ts"
import { shardOf } from "../physics/placement.ts"
import type { EngineContext } from "./engine-context.ts"

/** The system table, without the prefix, and its one key. Format. */
export const MERKLE_TABLE = "merkle"
export const ROOT_KEY = "root"

/** What the record holds. Format. */
export interface RecordedRoot extends MerkleRoot {
  readonly version: 1
}

const SCRATCH_SIZE = 64

/** The root that was written to the log last, as the tables have it; undefined where there is none. */
export function recordedRoot(engine: EngineContext): MerkleRoot | undefined {
  const entry = engine.catalogue.entry(SYSTEM_TABLE_PREFIX + MERKLE_TABLE)
  if (entry.id === 0) return undefined
  const scratch = allocateRecordBuffer(SCRATCH_SIZE)
  const keys = new RecordWriter(engine.manifest.hashSecret, new ValueEncoder(new ShapeRegistry()))
  const keySize = keys.keyInto(scratch, ROOT_KEY)
  const partition = engine.shards[shardOf(keys.hash, engine.shards.length)]?.tables?.partition(entry.id)
  if (partition === undefined) return undefined
  if (partition.pending > 0) partition.drain(engine.requireBuffer())
  const { table } = partition
  const address = table.find(keys.hash, scratch.words, 0, keySize)
  if (address < 0) return undefined
  const decoder = new ValueDecoder(engine.catalogue.shapes)
  const value = decoder.decode(table.bytesAt(address), table.valueStart(address), table.valueEnd(address))
  const { version, lsn, root, records } = value as RecordedRoot
  return version === 1 ? { lsn, root, records } : undefined
}
