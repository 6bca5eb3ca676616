// A latency histogram in constant memory: four buckets to each doubling, from a microsecond to half a minute. The error
// of a quantile is at most 19 %.

const BUCKETS_TO_A_DOUBLING = 4
const FIRST_MS = 0.001
const BUCKET_COUNT = 25 * BUCKETS_TO_A_DOUBLING

export class LatencyHistogram {
  readonly #buckets = new Float64Array(BUCKET_COUNT)
  count = 0
  sumMs = 0
  maxMs = 0

  record(ms: number): void {
    const index = Math.floor(Math.log2(Math.max(ms, FIRST_MS) / FIRST_MS) * BUCKETS_TO_A_DOUBLING)
    const bucket = Math.min(index, BUCKET_COUNT - 1)
    this.#buckets[bucket] = (this.#buckets[bucket] as number) + 1
    this.count++
    this.sumMs += ms
    if (ms > this.maxMs) this.maxMs = ms
  }

  /** The upper edge of the bucket that holds the quantile, in milliseconds; 0 with nothing recorded. */
  quantileMs(quantile: number): number {
    let rest = Math.ceil(this.count * quantile)
    if (rest === 0) return 0
    for (let bucket = 0; bucket < BUCKET_COUNT; bucket++) {
      rest -= this.#buckets[bucket] as number
      if (rest <= 0) return Math.min(this.maxMs, FIRST_MS * 2 ** ((bucket + 1) / BUCKETS_TO_A_DOUBLING))
    }
    return this.maxMs
  }
}
