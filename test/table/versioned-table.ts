// A table beside its model: for every key, everything that was ever written to it. Snapshots are opened and closed, and
// what the table says at each of them is compared with what the model does.

import { expect } from "vitest"
import { allocateRecordBuffer, recordSize } from "../../src/format/record.ts"
import { mixHash } from "../../src/table/index-segment.ts"
import type { OpenSnapshot } from "../../src/table/retention.ts"
import { Retention } from "../../src/table/retention.ts"
import { Table } from "../../src/table/table.ts"
import { RecordSurvey } from "../../src/table/record-survey.ts"
import { VersionCursor } from "../../src/table/version-cursor.ts"
import { evenHash, holdsValue, RecordBatch, valueByte } from "./record-batch.ts"

/** What a commit did to a key; no size: it was deleted. */
interface Turn {
  readonly lsn: number
  readonly valueSize: number | undefined
}

export class VersionedTable {
  readonly table: Table
  readonly retention: Retention
  readonly open: OpenSnapshot[] = []
  lsn = 0
  readonly #history = new Map<string, Turn[]>()
  readonly #batch = new RecordBatch()
  readonly #hash: (even: number) => number

  constructor(bytesMax: number = Number.MAX_SAFE_INTEGER, hash: (even: number) => number = (even) => even) {
    this.table = new Table({ chunkSizeMax: 4096 })
    this.retention = new Retention(bytesMax)
    this.#hash = hash
  }

  /** Fills the table with `count` keys in memory that it takes over, as from a checkpoint; `rangeCount`: see RecordSurvey. */
  loadPacked(count: number, rangeCount?: number): void {
    this.lsn++
    const records = Array.from({ length: count }, (_, n) => {
      const key = `k${n}`
      const valueSize = 20 + (n % 50)
      this.#note(key, valueSize)
      return { key: Buffer.from(key), valueSize, hash: this.#hashOf(key) }
    }).toSorted((a, b) => mixHash(a.hash) - mixHash(b.hash))
    const memory = allocateRecordBuffer(count * 128)
    let at = 0
    for (const { key, valueSize, hash } of records) {
      const { bytes } = memory
      bytes.writeUInt32LE(hash, at)
      bytes.writeUInt32LE(valueSize, at + 4)
      bytes.writeUInt16LE(key.length, at + 8)
      bytes.writeUInt16LE(0, at + 10)
      bytes.writeUInt32LE(this.lsn, at + 12)
      bytes.set(key, at + 16)
      for (let i = 0; i < valueSize; i++) bytes[at + 16 + key.length + i] = valueByte(this.lsn, i)
      at += recordSize(key.length, valueSize)
    }
    const survey = new RecordSurvey(1, rangeCount)
    survey.take({ bytes: memory.bytes.subarray(0, at), words: memory.words.subarray(0, at >>> 2) })
    survey.finish([this.table])
  }

  put(key: string, valueSize: number): void {
    this.lsn++
    this.#batch.put(this.#hashOf(key), Buffer.from(key), valueSize, this.lsn)
    this.#note(key, valueSize)
  }

  delete(key: string): void {
    this.lsn++
    this.#batch.delete(this.#hashOf(key), Buffer.from(key), this.lsn)
    this.#note(key, undefined)
  }

  apply(): void {
    if (this.#batch.count > 0) this.#batch.applyTo(this.table)
  }

  snapshot(): OpenSnapshot {
    this.apply()
    this.table.retain(this.retention)
    const snapshot = this.retention.open(this.lsn)
    this.open.push(snapshot)
    return snapshot
  }

  close(index: number): void {
    for (const snapshot of this.open.splice(index, 1)) this.retention.close(snapshot)
  }

  /** What the table must hold at an LSN. */
  stateAt(lsn: number): Map<string, Turn> {
    const state = new Map<string, Turn>()
    for (const [key, turns] of this.#history) {
      const turn = turns.findLast((one) => one.lsn <= lsn)
      if (turn?.valueSize !== undefined) state.set(key, turn)
    }
    return state
  }

  /** Compares every key at an LSN; by search, by walk, and by count where a snapshot knows it. */
  check(lsn: number, snapshot?: OpenSnapshot): void {
    this.apply()
    const expected = this.stateAt(lsn)
    for (const key of this.#history.keys()) this.checkKey(key, lsn, expected.get(key))
    expect(this.walk(lsn).toSorted()).toEqual([...expected.keys()].toSorted())
    const { versions } = this.table
    if (snapshot === undefined || versions === undefined) return
    expect(this.retention.countAt(versions, this.table.count, snapshot)).toBe(expected.size)
  }

  checkKey(key: string, lsn: number, turn: Turn | undefined = this.stateAt(lsn).get(key)): void {
    const address = this.find(key, lsn)
    if (turn === undefined) expect(address, `${key} at ${lsn}`).toBe(-1)
    else expect(holdsValue(this.table, address, turn.valueSize ?? -1, turn.lsn), `${key} at ${lsn}`).toBe(true)
  }

  find(key: string, lsn: number): number {
    const bytes = Buffer.from(key)
    const words = new Uint32Array((bytes.length + 7) >>> 2)
    Buffer.from(words.buffer).set(bytes)
    return this.table.findAt(this.#hashOf(key), words, 0, bytes.length, lsn)
  }

  walk(lsn: number): string[] {
    const cursor = new VersionCursor(this.table, { lsn })
    const keys: string[] = []
    while (cursor.next()) keys.push(...cursor.keys)
    return keys
  }

  purge(): void {
    while (this.retention.purgeStep(7));
  }

  #hashOf(key: string): number {
    return this.#hash(evenHash(Buffer.from(key)))
  }

  #note(key: string, valueSize: number | undefined): void {
    const turns = this.#history.get(key) ?? []
    turns.push({ lsn: this.lsn, valueSize })
    this.#history.set(key, turns)
  }
}
