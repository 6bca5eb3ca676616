// Fault 32: keys that somebody chose so that they collide. He can choose them for a secret that he knows; the store's is
// another, so for the store they are keys like any others.

import { expect, test } from "vitest"
import { hashAsciiKey } from "../../src/format/key-hash.ts"
import type { HashSecret } from "../../src/format/key-hash.ts"
import { allocateRecordBuffer } from "../../src/format/record.ts"
import { RecordWriter } from "../../src/format/record-writer.ts"
import { ShapeRegistry } from "../../src/format/shape-registry.ts"
import { ValueEncoder } from "../../src/format/value-encoder.ts"
import { shardOf } from "../../src/physics/placement.ts"
import { Table } from "../../src/table/table.ts"

const KNOWN: HashSecret = { low: 0x1234_5678, high: 0x9abc_def0 }
const OTHER: HashSecret = { low: 0x0bad_cafe, high: 0x5eed_5eed }
const SHARDS = 8
const KEY_COUNT = 2_000

/** The farthest probe in a table that holds the keys under that secret, and how many a shard has at most. */
function spreadOf(keys: readonly string[], secret: HashSecret): { probe: number; shardMax: number } {
  const table = new Table()
  const writer = new RecordWriter(secret, new ValueEncoder(new ShapeRegistry()))
  const buffer = allocateRecordBuffer(256)
  const perShard = new Array<number>(SHARDS).fill(0)
  for (const key of keys) {
    writer.put(buffer, 0, 0, 1, key, 1)
    table.applyAll(buffer, Uint32Array.of(0), Float64Array.of(1), 0, 1)
    const shard = shardOf(writer.hash, SHARDS)
    perShard[shard] = (perShard[shard] as number) + 1
  }
  return { probe: table.metrics().longestProbe, shardMax: Math.max(...perShard) }
}

test("fault 32: keys that collide under a known secret are spread like random ones under the store's", () => {
  const words = new Uint32Array(8)
  const adversarial: string[] = []
  // Ten of the low sixteen bits, which choose the shard and a part of the place in the index.
  for (let n = 0; adversarial.length < KEY_COUNT; n++) {
    const key = `flood:${n}`
    if ((hashAsciiKey(KNOWN, key, words, 0) & 0xffc0) === 0) adversarial.push(key)
  }
  const random = Array.from({ length: KEY_COUNT }, (_, n) => `user:${n}`)
  const flooded = spreadOf(adversarial, KNOWN)
  const defended = spreadOf(adversarial, OTHER)
  const usual = spreadOf(random, OTHER)
  // The attack works where the secret is known, or this test shows nothing.
  expect(flooded.shardMax).toBe(KEY_COUNT)
  expect(defended.shardMax).toBeLessThan(usual.shardMax * 1.5)
  expect(defended.probe).toBeLessThan(Math.max(usual.probe, 8) * 10)
})
