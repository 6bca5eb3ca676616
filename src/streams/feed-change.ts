// Changes as subscribers get them: small objects over one copy of the records, which decode their key and value when they
// are first asked. All subscribers of a change share the object and what it decoded: a value must not be modified.
//
// The decoder is reached through FeedValues, because the shapes that it needs are forgotten and learnt again while the
// log recovers: meanwhile a copy of what was known stands in, so that a change can be read at any time.

import {
  KIND_DELETE,
  KIND_PUT,
  RECORD_HEADER_SIZE,
  RECORD_KEY_SIZE,
  RECORD_VALUE_SIZE,
  recordSize,
} from "../format/record.ts"
import { ShapeRegistry } from "../format/shape-registry.ts"
import { ValueDecoder } from "../format/value-decoder.ts"
import { readUtf8 } from "../format/value-text.ts"
import type { Change } from "../model/change.ts"
import type { Lsn } from "../model/lsn.ts"
import type { Cursors } from "./cursor.ts"
import { CopySlots, RecordCopy } from "./record-copy.ts"

const UNREAD: unique symbol = Symbol("unread")

/** Decodes values with the shapes in force. Knows the store, for cursors. */
export class FeedValues {
  readonly cursors: Cursors
  readonly slots: CopySlots = new CopySlots()
  readonly #shapes: ShapeRegistry
  readonly #current: ValueDecoder
  #decoder: ValueDecoder

  constructor(shapes: ShapeRegistry, cursors: Cursors) {
    this.cursors = cursors
    this.#shapes = shapes
    this.#current = new ValueDecoder(shapes)
    this.#decoder = this.#current
  }

  decode(source: Buffer, start: number, end: number): unknown {
    return this.#decoder.decode(source, start, end)
  }

  /** The registry is about to be cleared: goes on with a copy. */
  keep(): void {
    const copy = new ShapeRegistry(this.#shapes.compression)
    for (let id = 0; copy.count < this.#shapes.count; id++) {
      const fields = this.#shapes.fieldsOf(id)
      if (fields !== undefined) copy.define(id, fields)
    }
    this.#decoder = new ValueDecoder(copy)
  }

  /** The registry is complete again: every durable shape has the number that it had. */
  resume(): void {
    this.#decoder = this.#current
  }
}

/** Records of one frame that somebody gets, one behind the other. */
export class FrameCopy extends RecordCopy {
  readonly values: FeedValues

  constructor(values: FeedValues) {
    super(values.slots)
    this.values = values
  }
}

export class FeedChange implements Change {
  readonly kind: "put" | "delete"
  readonly table: string
  readonly lsn: Lsn
  readonly #records: FrameCopy
  readonly #offset: number
  #key: string | undefined = undefined
  #value: unknown = UNREAD

  /** `offset`: where the record starts in the copy. */
  constructor(kind: number, table: string, lsn: Lsn, records: FrameCopy, offset: number) {
    this.kind = kind === KIND_PUT ? "put" : "delete"
    this.table = table
    this.lsn = lsn
    this.#records = records
    this.#offset = offset
  }

  get key(): string {
    if (this.#key === undefined) {
      this.#key = readUtf8(this.#records.bytes, this.#offset + RECORD_HEADER_SIZE, this.#keySize)
    }
    return this.#key
  }

  get value(): unknown {
    if (this.#value === UNREAD) this.#value = this.kind === "put" ? this.#decode() : undefined
    return this.#value
  }

  /** What JSON.stringify writes. */
  toJSON(): Change {
    return { kind: this.kind, table: this.table, key: this.key, value: this.value, lsn: this.lsn }
  }

  /** Of its commit. */
  get cursor(): string {
    return this.#records.values.cursors.at(this.lsn)
  }

  /** Bytes of the record. */
  get recordSize(): number {
    return recordSize(this.#keySize, this.#records.bytes.readUInt32LE(this.#offset + RECORD_VALUE_SIZE))
  }

  /** The same change over memory of its own, which keeps no other records from being freed. */
  detached(): FeedChange {
    const { bytes, values } = this.#records
    const copy = new FrameCopy(values)
    copy.keep(bytes, this.#offset, this.#offset + this.recordSize)
    return new FeedChange(this.kind === "put" ? KIND_PUT : KIND_DELETE, this.table, this.lsn, copy, 0)
  }

  get #keySize(): number {
    const { bytes } = this.#records
    const at = this.#offset + RECORD_KEY_SIZE
    return (bytes[at] as number) | ((bytes[at + 1] as number) << 8)
  }

  #decode(): unknown {
    const { bytes, values } = this.#records
    const start = this.#offset + RECORD_HEADER_SIZE + this.#keySize
    return values.decode(bytes, start, start + bytes.readUInt32LE(this.#offset + RECORD_VALUE_SIZE))
  }
}

// What console.log shows.
Object.defineProperty(FeedChange.prototype, Symbol.for("nodejs.util.inspect.custom"), {
  value(this: FeedChange): Change {
    return this.toJSON()
  },
})
