// Proves checkpoints against the log: what one of them holds, with the log behind it laid over, is what the next one
// holds, record for record. Takes the frames as they are read, once; in memory is what the part of the log between two
// checkpoints changes, which is bounded.
//
// The two checkpoints may keep records of the same mixed hash in another order. So what the log does not touch is
// compared by sums: of the records' checksums and of their hashes under another function, for each table. What the log
// does touch is compared byte by byte.

import type { CheckpointDirectory, CheckpointInfo } from "../checkpoint/checkpoint-files.ts"
import { CheckpointReader } from "../checkpoint/checkpoint-reader.ts"
import { DELTA_SIZE_MAX } from "../checkpoint/fold-checkpoint.ts"
import { LogDelta, TableDelta } from "../checkpoint/log-delta.ts"
import { BLOCK_DEFINITIONS } from "../format/checkpoint-block.ts"
import { hashKeyBytes } from "../format/key-hash.ts"
import type { LogFrame } from "../format/log-frame.ts"
import { recordSize } from "../format/record.ts"
import { SHAPE_COUNT_MAX } from "../model/limits.ts"
import { Catalogue } from "../table/catalogue.ts"
import { isSameList } from "../table/definitions.ts"
import { chunkOf, wordOf } from "../table/slabs.ts"

/** A checkpoint that was found good. */
export interface GoodCheckpoint {
  readonly info: CheckpointInfo
  readonly catalogue: Catalogue
}

/** What came of comparing one checkpoint with the one before it and the log. */
export interface FoldOutcome {
  readonly checkpoint: CheckpointInfo
  /** What differs; undefined where nothing does, or nothing was compared. */
  readonly difference: string | undefined
  /** Why it was not compared; undefined where it was. */
  readonly skipped: string | undefined
}

interface Pair {
  /** Undefined: the empty state. */
  readonly base: GoodCheckpoint | undefined
  readonly next: GoodCheckpoint
  skipped: string | undefined
}

interface Sum {
  count: number
  bytes: number
  checksums: number
  hashes: number
}

const NO_SUM: Sum = { count: 0, bytes: 0, checksums: 0, hashes: 0 }

/** A record of a checkpoint that the log has a say about. */
interface TouchedRecord {
  readonly tableId: number
  readonly delta: TableDelta
  readonly words: Uint32Array
  /** Where it starts in the words, and its bytes. */
  readonly word: number
  readonly size: number
}

/** Of its own, so that it has nothing to do with the hash that orders the records. */
const SUM_SECRET = { low: 0x6f727265, high: 0x72790000 }
/** Sums stay below this, exactly, as long as there are no more records than fit 2^53 / 2^32. */
const SUM_MODULUS = 2 ** 52

export class FoldCheck {
  readonly #directory: CheckpointDirectory
  readonly #deltaSizeMax: number
  readonly #pairs: Pair[] = []
  #index = 0
  #delta: LogDelta | undefined
  #catalogue = new Catalogue()

  /** `checkpoints`: the good ones, oldest first. `firstLsn`: where the log begins. */
  constructor(
    directory: CheckpointDirectory,
    checkpoints: readonly GoodCheckpoint[],
    firstLsn: number,
    deltaSizeMax: number = DELTA_SIZE_MAX,
  ) {
    this.#directory = directory
    this.#deltaSizeMax = deltaSizeMax
    let base: GoodCheckpoint | undefined
    for (const next of checkpoints) {
      if ((base?.info.throughLsn ?? 0) + 1 >= firstLsn) this.#pairs.push({ base, next, skipped: undefined })
      base = next
    }
  }

  /** The log lacks these LSNs, or they cannot be believed. */
  noteGap(firstLsn: number, lastLsn: number): void {
    for (const pair of this.#pairs) {
      const { throughLsn } = pair.next.info
      if (throughLsn >= firstLsn && (pair.base?.info.throughLsn ?? 0) < lastLsn) {
        pair.skipped ??= `the log between lacks LSN ${firstLsn} to ${lastLsn}`
      }
    }
  }

  /** The next frame of commits, whose records were found good. Fails with: StorageFailed, Corruption. */
  async take(frame: LogFrame): Promise<readonly FoldOutcome[]> {
    const outcomes: FoldOutcome[] = []
    for (let pair = this.#pairs[this.#index]; pair !== undefined; pair = this.#pairs[this.#index]) {
      const after = pair.base?.info.throughLsn ?? 0
      if (frame.lastLsn <= after) break
      const { throughLsn } = pair.next.info
      if (frame.firstLsn <= throughLsn) this.#apply(pair, frame, after)
      if (frame.lastLsn < throughLsn) break
      if (frame.lastLsn > throughLsn) pair.skipped ??= "no frame of the log ends where it does"
      outcomes.push(await this.#finish(pair))
    }
    return outcomes
  }

  /** What is left when the log has come to its end. */
  rest(): readonly FoldOutcome[] {
    return this.#pairs.splice(this.#index).map(({ next, skipped }) => ({
      checkpoint: next.info,
      difference: undefined,
      skipped: skipped ?? "the log ends before it",
    }))
  }

  #apply(pair: Pair, frame: LogFrame, after: number): void {
    if (pair.skipped !== undefined) return
    if (this.#delta === undefined) {
      this.#catalogue = new Catalogue()
      if (pair.base !== undefined) learnDefinitions(pair.base.catalogue, this.#catalogue)
      this.#delta = new LogDelta(this.#catalogue, after)
    }
    if (this.#delta.logBytes + frame.end - frame.start > this.#deltaSizeMax) {
      pair.skipped = `the log between has more than ${this.#deltaSizeMax} bytes`
      this.#delta = undefined
    } else this.#delta.apply(frame)
  }

  async #finish(pair: Pair): Promise<FoldOutcome> {
    const checkpoint = pair.next.info
    const delta = this.#delta ?? new LogDelta(this.#catalogue, 0)
    const { skipped } = pair
    const difference = skipped === undefined ? await this.#compare(pair, delta) : undefined
    this.#index++
    this.#delta = undefined
    return { checkpoint, difference, skipped }
  }

  async #compare({ base, next }: Pair, delta: LogDelta): Promise<string | undefined> {
    const definitions = differingDefinition(this.#catalogue, next.catalogue)
    if (definitions !== undefined) return definitions
    const expected: Sum[] = []
    if (base !== undefined) await this.#addUp(base.info.number, delta, expected, () => undefined)
    const actual: Sum[] = []
    const matched: number[] = []
    const different = await this.#addUp(next.info.number, delta, actual, (touched) => differenceIn(touched, matched))
    if (different !== undefined) return different
    const tableCount = Math.max(expected.length, actual.length, delta.tables.length)
    for (let tableId = 1; tableId < tableCount; tableId++) {
      const puts = delta.tables[tableId]?.put.table.count ?? 0
      const found = matched[tableId] ?? 0
      if (found !== puts) return `of ${puts} records that the log put into table ${tableId}, ${found} are there`
      if (!isSameSum(expected[tableId] ?? NO_SUM, actual[tableId] ?? NO_SUM)) {
        return `table ${tableId} differs in records that the log did not touch`
      }
    }
    return undefined
  }

  /**
   * Adds up the records that the delta does not touch, by table. Those that it does touch go to `take`; the first that it
   * says something about ends it, with that.
   */
  async #addUp(
    number: number,
    delta: LogDelta,
    sums: Sum[],
    take: (touched: TouchedRecord) => string | undefined,
  ): Promise<string | undefined> {
    const reader = await CheckpointReader.open(this.#directory, number)
    const untouched = new TableDelta()
    try {
      for (let block = await reader.next(); block !== undefined; block = await reader.next()) {
        if (block.kind === BLOCK_DEFINITIONS) continue
        const { tableId, buffer, start, end } = block
        const { words, bytes } = buffer
        const table = delta.tables[tableId] ?? untouched
        const sum = (sums[tableId] ??= { count: 0, bytes: 0, checksums: 0, hashes: 0 })
        for (let at = start; at < end;) {
          const word = at >>> 2
          const keySize = (words[word + 2] as number) & 0xffff
          const size = recordSize(keySize, words[word + 1] as number)
          if (!table.covers(words, word)) {
            sum.count++
            sum.bytes += size
            sum.checksums = (sum.checksums + this.#directory.checksum(bytes.subarray(at, at + size), 0)) % SUM_MODULUS
            sum.hashes = (sum.hashes + hashKeyBytes(SUM_SECRET, bytes, at, at + size)) % SUM_MODULUS
          } else {
            const different = take({ tableId, delta: table, words, word, size })
            if (different !== undefined) return different
          }
          at += size
        }
      }
      return undefined
    } finally {
      await reader.close()
    }
  }
}

/** Takes over what a catalogue defines, as far as it does not contradict what is known. */
export function learnDefinitions(source: Catalogue, target: Catalogue): void {
  for (const name of source.names()) {
    const { id } = source.entry(name)
    if (target.byId(id) === undefined && target.entry(name).id === 0) target.define(id, name)
  }
  for (let id = 0; id < SHAPE_COUNT_MAX; id++) {
    const fields = source.shapes.fieldsOf(id)
    if (fields !== undefined && target.shapes.fieldsOf(id) === undefined) target.shapes.define(id, fields)
  }
}

function differingDefinition(expected: Catalogue, actual: Catalogue): string | undefined {
  const names = expected.names()
  if (!isSameList(names, actual.names())) return "it defines other tables"
  for (const name of names) {
    if (expected.entry(name).id !== actual.entry(name).id) return "it defines tables under other numbers"
  }
  for (let id = 0; id < SHAPE_COUNT_MAX; id++) {
    if (!isSameList(expected.shapes.fieldsOf(id) ?? [], actual.shapes.fieldsOf(id) ?? []))
      return "it defines other shapes"
  }
  return undefined
}

/** What a record differs in from what the log put there; those that are the same are counted, by table. */
function differenceIn({ tableId, delta, words, word, size }: TouchedRecord, matched: number[]): string | undefined {
  const { table } = delta.put
  const address = table.find(words[word] as number, words, word + 4, (words[word + 2] as number) & 0xffff)
  if (address < 0) return `table ${tableId} holds a record that the log deleted`
  const kept = table.slabs.chunkWords[chunkOf(address)] as Uint32Array
  if (!isSameWords(words, word, kept, wordOf(address), size >>> 2)) {
    return `table ${tableId} holds another record than the log put there`
  }
  matched[tableId] = (matched[tableId] ?? 0) + 1
  return undefined
}

function isSameSum(left: Sum, right: Sum): boolean {
  return (
    left.count === right.count &&
    left.bytes === right.bytes &&
    left.checksums === right.checksums &&
    left.hashes === right.hashes
  )
}

function isSameWords(left: Uint32Array, from: number, right: Uint32Array, at: number, count: number): boolean {
  for (let index = 0; index < count; index++) {
    if (left[from + index] !== right[at + index]) return false
  }
  return true
}
