// Takes a sample of accesses: one of 64 on average, with distances that are drawn anew each time (geometrically distributed:
// every access is taken with the same probability, whatever rhythm accesses have), into typed arrays of a fixed size. What
// does not fit until they are taken out is shed, and counted.
//
// This is what metadata costs a `get`: a look at `isOn`, and while it is on a count down to zero.

import type { AccessKind } from "./metadata-batch.ts"

/** Accesses that one sample stands for. */
export const SAMPLE_EVERY = 64
/** Samples that are held at most. */
export const SAMPLE_COUNT_MAX = 4_096

const KINDS: readonly AccessKind[] = ["get", "miss", "put", "delete"]
const CHANCES = 2 ** 32
/** Of the chance that an access is no sample. */
const LOG_OF_MISS = Math.log1p(-1 / SAMPLE_EVERY)

/** Samples, taken out of a sampler. */
export interface Samples {
  readonly count: number
  readonly tableIds: Uint32Array
  readonly hashes: Uint32Array
  readonly shards: Uint16Array
  readonly timesMs: Float64Array
  readonly kinds: readonly AccessKind[]
  readonly keys: readonly string[]
}

export class AccessSampler {
  /** Hot. Whether anybody wants samples. */
  isOn = false
  /** Hot. Accesses until the next sample, that one included. */
  countdown = 0
  sampledCount = 0
  shedCount = 0
  #count = 0
  #chance: number
  // Made when it is first switched on.
  #tableIds = new Uint32Array(0)
  #hashes = new Uint32Array(0)
  #shards = new Uint16Array(0)
  #timesMs = new Float64Array(0)
  #kinds: AccessKind[] = []
  #keys: string[] = []

  /** `seed`: what chance begins with. */
  constructor(seed: number) {
    this.#chance = seed | 1
  }

  switchOn(): void {
    if (this.#hashes.length === 0) {
      this.#tableIds = new Uint32Array(SAMPLE_COUNT_MAX)
      this.#hashes = new Uint32Array(SAMPLE_COUNT_MAX)
      this.#shards = new Uint16Array(SAMPLE_COUNT_MAX)
      this.#timesMs = new Float64Array(SAMPLE_COUNT_MAX)
    }
    this.countdown = this.distance()
    this.isOn = true
  }

  /** What was sampled and not taken out is dropped: nobody is there. */
  switchOff(): void {
    this.isOn = false
    this.#count = 0
    this.#kinds = []
    this.#keys = []
  }

  /** Adds a sample. `kind`: 0 a get, 1 a get that found nothing, 2 a put, 3 a delete. */
  add(tableId: number, kind: 0 | 1 | 2 | 3, key: string, hash: number, shard: number, timeMs: number): void {
    const at = this.#count
    if (at === SAMPLE_COUNT_MAX) {
      this.shedCount++
      return
    }
    this.sampledCount++
    this.#count = at + 1
    this.#tableIds[at] = tableId
    this.#hashes[at] = hash
    this.#shards[at] = shard
    this.#timesMs[at] = timeMs
    this.#kinds.push(KINDS[kind] as AccessKind)
    this.#keys.push(key)
  }

  /** Takes all samples out. */
  drain(): Samples {
    const count = this.#count
    const samples = {
      count,
      tableIds: this.#tableIds.slice(0, count),
      hashes: this.#hashes.slice(0, count),
      shards: this.#shards.slice(0, count),
      timesMs: this.#timesMs.slice(0, count),
      kinds: this.#kinds,
      keys: this.#keys,
    }
    this.#count = 0
    this.#kinds = []
    this.#keys = []
    return samples
  }

  /** Drops all samples, as shed. */
  shed(): void {
    this.shedCount += this.#count
    this.sampledCount -= this.#count
    this.#count = 0
    this.#kinds = []
    this.#keys = []
  }

  /** How many accesses the next sample is away: 1 for the very next one. */
  distance(): number {
    let chance = this.#chance
    chance ^= chance << 13
    chance ^= chance >>> 17
    chance ^= chance << 5
    this.#chance = chance
    // From 0 exclusively to 1 inclusively, so the logarithm is finite.
    const share = ((chance >>> 0) + 1) / CHANCES
    return 1 + Math.floor(Math.log(share) / LOG_OF_MISS)
  }
}
