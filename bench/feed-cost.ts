// What one subscriber adds to a put, in processor time of the writers' thread: one process, one store, slices of puts with
// and without the subscriber in turn, so that whatever slows the machine does so for both. Beside it what no feed could do
// without:
//
//   call      a callback that gets the same object for each put, and looks at it
//   await     `for await` over the same object, once for each put: its promise, and its turn
//
// (for writers of one put a commit; batches are compared with nobody alone).
// Differences are of neighbouring slices; of those the median counts, and beside it the difference of the least slices.
// Collections of garbage are in the slice that they fall into.

import { openOrrery } from "./peers/orrery.ts"
import type { OrreryStore } from "./peers/orrery.ts"
import { expectEqual } from "./scenario.ts"
import type { Measured, ScenarioInput } from "./scenario.ts"
import { listen, look, untilSeen, writeAll } from "./feed-subscribers.ts"
import type { Seen } from "./feed-subscribers.ts"
import { medianOf } from "./statistics.ts"
import { ascending, keyOf, Latencies } from "./workload.ts"

/** Keys begin here: all have as many digits, the first of them a one. */
const FIRST = 1_000_000
const WARM_SLICES = 2
const SLICES = 24

/** `mode`: the subscriber; `count`: puts of a slice. */
export async function cost(input: ScenarioInput, slices: number = SLICES): Promise<Measured> {
  const { directory, mode, count } = input
  const modes = input.batch > 1 ? ["nobody", mode] : ["nobody", "call", "await", mode]
  const orrery = await openOrrery(directory)
  const times = new Map(modes.map((name) => [name, [] as number[]]))
  let first = FIRST
  for (let slice = -WARM_SLICES; slice < slices; slice++) {
    for (let turn = 0; turn < modes.length; turn++) {
      const name = modes[(turn + slice + WARM_SLICES) % modes.length] as string
      const cpuNs = await writeSlice(orrery, input, name, first)
      if (slice >= 0) times.get(name)?.push(cpuNs)
      first += count
    }
  }
  const { overflows } = orrery.store.metrics().feed
  await orrery.close()
  const nobody = times.get("nobody") ?? []
  const numbers: Record<string, number> = { overflows, nobodyNs: medianOf(nobody) }
  for (const [name, values] of times) {
    if (name === "nobody") continue
    const added = medianOf(values.map((value, slice) => value - (nobody[slice] ?? Number.NaN)))
    const label = name === mode ? "subscriber" : name
    numbers[`${label}Ns`] = added
    numbers[`${label}Percent`] = (added / medianOf(nobody)) * 100
    numbers[`${label}LeastNs`] = Math.min(...values) - Math.min(...nobody)
  }
  return { numbers }
}

/** Nanoseconds of this thread for each put. */
async function writeSlice(orrery: OrreryStore, input: ScenarioInput, mode: string, first: number): Promise<number> {
  const { count } = input
  const order = ascending(count, first)
  const seen: Seen = { changes: 0, keyCharacters: 0 }
  const source = new SameChange()
  const same = source.commit.changes[0] ?? { kind: "put", key: "" }
  const end = mode === "await" ? source.begin(seen) : listen(orrery, mode === "call" ? "nobody" : mode, first, seen)
  const wrote = mode === "call" ? () => look(seen, same) : mode === "await" ? () => source.give() : () => undefined
  const before = process.threadCpuUsage()
  await writeAll(orrery, input, order, new Latencies(), wrote)
  if (mode !== "nobody") await untilSeen(seen, count)
  const { user, system } = process.threadCpuUsage(before)
  if (mode !== "nobody") {
    expectEqual("changes seen", seen.changes, count)
    expectEqual("characters of their keys", seen.keyCharacters, count * keyOf(first).length)
  }
  end()
  return ((user + system) * 1e3) / count
}

/** A source that gives one and the same commit as often as somebody asks it to. */
class SameChange implements AsyncIterable<SameChange["commit"]> {
  readonly commit = { lsn: 1, timeMs: 0, changes: [{ kind: "put", table: "users", key: keyOf(FIRST) }] }
  #count = 0
  #wake: ((result: IteratorResult<SameChange["commit"]>) => void) | undefined = undefined
  readonly #result = { value: this.commit, done: false as const }

  begin(seen: Seen): () => void {
    void (async () => {
      for await (const { changes } of this) for (const change of changes) look(seen, change)
    })()
    return () => this.#wake?.({ value: undefined, done: true })
  }

  give(): void {
    const wake = this.#wake
    if (wake === undefined) this.#count++
    else {
      this.#wake = undefined
      wake(this.#result)
    }
  }

  [Symbol.asyncIterator](): AsyncIterator<SameChange["commit"]> {
    return { next: () => this.#next() }
  }

  #next(): Promise<IteratorResult<SameChange["commit"]>> {
    if (this.#count > 0) {
      this.#count--
      return Promise.resolve(this.#result)
    }
    return new Promise((resolve) => {
      this.#wake = resolve
    })
  }
}
