// How large a checkpoint of the present state would be, from counters alone: good to a block of each table, and cheap
// enough to be asked several times a second. To know exactly, make one.

import { BLOCK_HEADER_SIZE, END_PAYLOAD_SIZE, HEAD_PAYLOAD_SIZE } from "../format/checkpoint-block.ts"
import { recordSize } from "../format/record.ts"
import { SHAPE_COUNT_MAX } from "../model/limits.ts"
import type { Catalogue } from "../table/catalogue.ts"
import type { ShardTables } from "../table/shard-tables.ts"
import { BLOCK_SIZE } from "./checkpoint-writer.ts"

const BLOCK_ROOM = BLOCK_SIZE - BLOCK_HEADER_SIZE
/** The head and the end of every checkpoint. */
const FIXED_SIZE = 2 * BLOCK_HEADER_SIZE + HEAD_PAYLOAD_SIZE + END_PAYLOAD_SIZE

export class CheckpointSize {
  readonly #catalogue: Catalogue
  /** The definitions that were last counted, and their bytes. */
  #definitions = { tables: 0, shapes: 0, bytes: 0 }

  constructor(catalogue: Catalogue) {
    this.#catalogue = catalogue
  }

  /** Bytes of a checkpoint of these shards, without the records that were noted and not applied yet. */
  of(shards: readonly ShardTables[]): number {
    let sum = FIXED_SIZE + withHeaders(this.#definitionBytes())
    const tableCount = Math.max(0, ...shards.map(({ partitions }) => partitions.length))
    for (let id = 1; id < tableCount; id++) {
      let live = 0
      for (const shard of shards) live += shard.partition(id)?.table.liveBytes ?? 0
      sum += withHeaders(live)
    }
    return sum
  }

  #definitionBytes(): number {
    const { count, shapes } = this.#catalogue
    if (count !== this.#definitions.tables || shapes.count !== this.#definitions.shapes) {
      this.#definitions = { tables: count, shapes: shapes.count, bytes: definitionBytes(this.#catalogue) }
    }
    return this.#definitions.bytes
  }
}

function withHeaders(payload: number): number {
  return payload + Math.ceil(payload / BLOCK_ROOM) * BLOCK_HEADER_SIZE
}

function definitionBytes(catalogue: Catalogue): number {
  let sum = 0
  for (const name of catalogue.names()) sum += recordSize(Buffer.byteLength(name), 0)
  for (let id = 0, rest = catalogue.shapes.count; rest > 0 && id < SHAPE_COUNT_MAX; id++) {
    const fields = catalogue.shapes.fieldsOf(id)
    if (fields === undefined) continue
    sum += recordSize(0, shapeSize(fields))
    rest--
  }
  return sum
}

/** As 'define shape' records have it: the count of fields, and each with its length. */
function shapeSize(fields: readonly string[]): number {
  return fields.reduce((sum, field) => sum + 2 + Buffer.byteLength(field), 2)
}
