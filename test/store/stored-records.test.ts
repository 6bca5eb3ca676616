// Many keys looked up at once, against what was written, over two shards and with notes that wait.

import { expect, test } from "vitest"
import type { Manifest } from "../../src/format/manifest.ts"
import { allocateRecordBuffer } from "../../src/format/record.ts"
import { RecordWriter } from "../../src/format/record-writer.ts"
import { ValueEncoder } from "../../src/format/value-encoder.ts"
import { Restarting } from "../../src/model/errors.ts"
import { shardOf } from "../../src/physics/placement.ts"
import { Catalogue } from "../../src/table/catalogue.ts"
import { ShardTables } from "../../src/table/shard-tables.ts"
import { LOOK_COUNT_MAX, StoredRecords } from "../../src/store/stored-records.ts"

const hashSecret = { low: 7, high: 11 }

/** A table over two shards, into which puts go as notes; the second shard may be down. */
class Scene {
  readonly catalogue = new Catalogue()
  readonly records: StoredRecords
  isDown = false
  readonly #buffer = allocateRecordBuffer(1 << 20)
  readonly #shards = [new ShardTables(), new ShardTables()]
  readonly #writer: RecordWriter
  #end = 0

  constructor() {
    this.catalogue.define(1, "t")
    this.#writer = new RecordWriter(hashSecret, new ValueEncoder(this.catalogue.shapes))
    const require = (shard: number): ShardTables => {
      if (shard === 1 && this.isDown) throw new Restarting("shard-1")
      return this.#shards[shard] as ShardTables
    }
    this.records = new StoredRecords({
      catalogue: this.catalogue,
      // All that is asked of a manifest here.
      manifest: { hashSecret } as Manifest,
      shards: [0, 1].map((shard) => ({ name: `shard-${shard}`, require: () => require(shard) })),
      requireBuffer: () => this.#buffer,
      unavailable: (actor) => new Restarting(actor),
    })
  }

  put(key: string, value: unknown): void {
    const end = this.#writer.put(this.#buffer, this.#end, 0, 1, key, value)
    this.#shards[shardOf(this.#writer.hash, 2)]?.apply(this.#buffer, this.#end, 1)
    this.#end = end
  }

  drain(): void {
    for (const shard of this.#shards) shard.drain(this.#buffer)
  }

  look(keys: readonly string[]): void {
    this.records.look(this.catalogue.entry("t"), keys)
  }

  values(keys: readonly string[]): unknown[] {
    this.look(keys)
    return keys.map((_, place) => this.records.value(place))
  }
}

test("finds what is there, whatever the keys, and nothing else", () => {
  const scene = new Scene()
  const keys = Array.from({ length: LOOK_COUNT_MAX }, (_, n) =>
    n % 5 === 0 ? `${"long".repeat(200)}${n}` : `ключ${n}`,
  )
  expect(scene.values(keys)).toEqual(keys.map(() => undefined))
  for (const [n, key] of keys.entries()) if (n % 3 > 0) scene.put(key, { n, key })
  expect(scene.values(keys)).toEqual(keys.map((key, n) => (n % 3 > 0 ? { n, key } : undefined)))
  expect(keys.map((_, place) => scene.records.has(place))).toEqual(keys.map((_, n) => n % 3 > 0))
  expect(scene.values(keys.toReversed().slice(0, 7))).toHaveLength(7)
  scene.records.forget()
  expect(scene.records.value(0)).toBe(undefined)
})

test("does not read what was found before the table changed", () => {
  const scene = new Scene()
  scene.put("a", 1)
  expect(scene.values(["a"])).toEqual([1])
  scene.put("a", 2)
  expect(scene.records.value(0)).toBe(1)
  // Somebody else reads, and the notes are applied.
  scene.drain()
  expect(() => scene.records.value(0)).toThrow("before the table changes")
  expect(scene.values(["a"])).toEqual([2])
})

test("fails where a shard is down, or a key is none, and looks for others then as if nothing had been", () => {
  const scene = new Scene()
  const keys = Array.from({ length: 40 }, (_, n) => `k${n}`)
  for (const key of keys) scene.put(key, key)
  scene.isDown = true
  expect(() => scene.look(keys)).toThrow(Restarting)
  scene.isDown = false
  expect(() => scene.look([...keys, "\ud800"])).toThrow("surrogate")
  expect(scene.values(keys.slice(10, 20))).toEqual(keys.slice(10, 20))
})
