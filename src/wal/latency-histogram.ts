// A latency histogram in constant memory: four buckets to each doubling, from a microsecond to half a minute. The error
// of a quantile is at most 19 %.

const BUCKETS_TO_A_DOUBLING = 4
const FIRST_MS = 0.001
const BUCKET_COUNT = 25 * BUCKETS_TO_A_DOUBLING
/** Doublings between two of the edges that are shown outside. */
const SHOWN_DOUBLINGS = 2

/** How many durations were recorded up to a bound. */
export interface LatencyBucket {
  readonly upToMs: number
  readonly count: number
}

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

  /** What was recorded since an earlier copy of this one was made; its longest is the longest of all. */
  since(before: LatencyHistogram): LatencyHistogram {
    const difference = this.copy()
    for (let bucket = 0; bucket < BUCKET_COUNT; bucket++) {
      difference.#buckets[bucket] = (this.#buckets[bucket] as number) - (before.#buckets[bucket] as number)
    }
    difference.count -= before.count
    difference.sumMs -= before.sumMs
    return difference
  }

  copy(): LatencyHistogram {
    const copy = new LatencyHistogram()
    copy.#buckets.set(this.#buckets)
    copy.count = this.count
    copy.sumMs = this.sumMs
    copy.maxMs = this.maxMs
    return copy
  }

  /** For those who show the distribution: cumulative, each bound four times the one before, up to half a minute. */
  buckets(): LatencyBucket[] {
    const step = SHOWN_DOUBLINGS * BUCKETS_TO_A_DOUBLING
    const shown: LatencyBucket[] = []
    let count = 0
    for (let bucket = 0; bucket < BUCKET_COUNT; bucket++) {
      count += this.#buckets[bucket] as number
      if ((bucket + 1) % step === 0)
        shown.push({ upToMs: FIRST_MS * 2 ** ((bucket + 1) / BUCKETS_TO_A_DOUBLING), count })
    }
    return shown
  }

  /** The upper edge of the bucket that holds the quantile, in milliseconds; 0 with nothing recorded. */
  quantileMs(quantile: number): number {
    let rest = Math.ceil(this.count * quantile)
    if (rest === 0) return 0
    let bucket = -1
    while (rest > 0 && bucket < BUCKET_COUNT - 1) rest -= this.#buckets[++bucket] as number
    return Math.min(this.maxMs, FIRST_MS * 2 ** ((bucket + 1) / BUCKETS_TO_A_DOUBLING))
  }
}
