// The workload that every benchmark writes and reads. W1 is 1,000,000 puts of objects of about 120 bytes as JSON under
// `user:<n>`, n counting up, with 1,000 in flight; and then as many gets in random order. That puts count up is in favour of
// stores that keep their keys in order.
//
// Keys and objects are made afresh for every access, as an application does: keys picked from a large array would measure
// the memory of the array. Random orders come from a fixed seed, a new one for every repetition: reading in the order of
// writing flatters a Map and a log alike. What is read is added up, so that nothing can be left out unnoticed.

export interface UserRecord {
  readonly id: number
  readonly name: string
  readonly email: string
  readonly age: number
  readonly score: number
  readonly active: boolean
  readonly ts: number
}

export const SEED = 20_260_101

const FILL_BATCH_COUNT = 1000

export function keyOf(n: number): string {
  return `user:${n}`
}

export function recordOf(n: number): UserRecord {
  return {
    id: n,
    name: `user-${n % 100_003}`,
    email: `u${n}@example.io`,
    age: n % 90,
    score: scoreOf(n),
    active: (n & 1) === 0,
    ts: 1_760_000_000_000 + n * 7,
  }
}

/** The sum of the scores of the records from `first` on. Exact: a score is a multiple of 1/8. */
export function scoreSumOf(first: number, count: number): number {
  let sum = 0
  for (let n = first; n < first + count; n++) sum += scoreOf(n)
  return sum
}

/** The numbers from `first` on, `count` of them. */
export function ascending(count: number, first: number = 0): Uint32Array {
  return Uint32Array.from({ length: count }, (_, index) => first + index)
}

/** The same, shuffled (Fisher and Yates). */
export function shuffled(count: number, seed: number, first: number = 0): Uint32Array {
  const order = ascending(count, first)
  let state = seed >>> 0 || 1
  for (let index = count - 1; index > 0; index--) {
    // xorshift32 (Marsaglia 2003); the bias of the remainder is of no consequence here.
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    const other = (state >>> 0) % (index + 1)
    const kept = order[index] as number
    order[index] = order[other] as number
    order[other] = kept
  }
  return order
}

/** Numbers below `bound`, all as likely. */
export function uniform(count: number, bound: number, seed: number): Uint32Array {
  const fraction = fractions(seed)
  return Uint32Array.from({ length: count }, () => Math.floor(fraction() * bound))
}

/**
 * Numbers below `bound` of which few come again and again: the r-th as often as 1 / r^0.99 (Gray et al., 'Quickly
 * generating billion-record synthetic databases', 1994). Which ones these are is spread over the range, as in YCSB.
 */
export function zipfian(count: number, bound: number, seed: number): Uint32Array {
  const exponent = 0.99
  let total = 0
  for (let rank = 1; rank <= bound; rank++) total += rank ** -exponent
  const firstTwo = 1 + 0.5 ** exponent
  const alpha = 1 / (1 - exponent)
  const eta = (1 - (2 / bound) ** (1 - exponent)) / (1 - firstTwo / total)
  const fraction = fractions(seed)
  const place = shuffled(bound, seed)
  return Uint32Array.from({ length: count }, () => {
    const u = fraction()
    const scaled = u * total
    const rank = scaled < 1 ? 0 : scaled < firstTwo ? 1 : Math.floor(bound * (eta * u - eta + 1) ** alpha)
    return place[Math.min(rank, bound - 1)] as number
  })
}

/** Numbers from 0 to below 1 (mulberry32). */
export function fractions(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** Operations before those that count, with which the compiler learns its code. Slow ways have few, and warm up with few. */
export function warmCountFor(count: number): number {
  return Math.min(count, Math.max(count / 20, 30_000))
}

/** Every how many operations one is timed: the timing of all would cost more than some of them do. */
const TIMED_EVERY = 16

/** Latencies, in milliseconds, of the operations that were timed. */
export class Latencies {
  #values = new Float64Array(1 << 16)
  #count = 0

  record(valueMs: number): void {
    if (this.#count === this.#values.length) {
      const larger = new Float64Array(this.#values.length * 2)
      larger.set(this.#values)
      this.#values = larger
    }
    this.#values[this.#count++] = valueMs
  }

  /** Named for a measurement: p50Ms, p99Ms, p999Ms, maxMs. */
  summary(): { p50Ms: number; p99Ms: number; p999Ms: number; maxMs: number } {
    const sorted = this.#values.slice(0, this.#count).sort()
    const at = (fraction: number): number => sorted[Math.floor((sorted.length - 1) * fraction)] ?? 0
    return { p50Ms: at(0.5), p99Ms: at(0.99), p999Ms: at(0.999), maxMs: at(1) }
  }
}

/** Callers that each await one operation after another, until `count` are done: `callers` are in flight at any time. */
export async function runCallers(
  callers: number,
  count: number,
  operation: (index: number) => Promise<unknown>,
  latencies: Latencies,
): Promise<void> {
  const isEachTimed = callers <= 20
  let next = 0
  const call = async (): Promise<void> => {
    for (let index = next++; index < count; index = next++) {
      if (isEachTimed || index % TIMED_EVERY === 0) {
        const startMs = performance.now()
        await operation(index)
        latencies.record(performance.now() - startMs)
      } else await operation(index)
    }
  }
  await Promise.all(Array.from({ length: callers }, call))
}

/** Keys and objects for one batch, made from a part of the order. */
export function entriesOf(order: Uint32Array, start: number, end: number): [string, UserRecord][] {
  const entries: [string, UserRecord][] = []
  for (let index = start; index < end; index++) {
    const n = order[index] as number
    entries.push([keyOf(n), recordOf(n)])
  }
  return entries
}

/** Writes the records from 0 on, in large batches: for what is only to be there. */
export async function fill(store: BatchWriter, count: number): Promise<void> {
  const order = ascending(count)
  for (let start = 0; start < count; start += FILL_BATCH_COUNT) {
    await store.putMany(entriesOf(order, start, Math.min(count, start + FILL_BATCH_COUNT)))
  }
}

/** As much of a store as filling it takes. */
export interface BatchWriter {
  putMany(entries: readonly (readonly [string, UserRecord])[]): Promise<unknown>
}

function scoreOf(n: number): number {
  return (n % 10_007) * 0.25 + 0.125
}
