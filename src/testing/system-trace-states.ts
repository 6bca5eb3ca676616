// The crash states of a traced program, each with what the program had acknowledged by then, and put into real directories.

import { mkdir, open, rm } from "node:fs/promises"
import { dirname, join } from "node:path"
import { candidateCount, candidateOf, StateBuilder } from "../simulation/crash-candidates.ts"
import { crashPoints, CrashState } from "../simulation/crash-states.ts"
import type { DiskTrace } from "../simulation/disk-trace.ts"
import { mix } from "../simulation/fingerprint.ts"
import { SimulatedRandom } from "../simulation/simulated-random.ts"
import { narrowingOf } from "./persistence.ts"
import type { PersistenceMode } from "./crash-options.ts"
import type { SystemTrace } from "./system-trace-disk.ts"

/** One state that a crash of the program could have left. */
export interface TracedState {
  readonly state: CrashState
  readonly acknowledged: readonly unknown[]
  /** Begun and not acknowledged: it may be there or not. */
  readonly inFlight: readonly unknown[]
}

export interface TracedStatesOptions {
  readonly seed: number
  /** About how many. */
  readonly limit: number
  readonly persistence: PersistenceMode
}

/** For each moment with more pending units than all subsets are tried of; as `crashStates` has it. */
const SAMPLE_COUNT = 32
const CHUNK_SIZE = 64 * 1024
const ZEROS = Buffer.alloc(CHUNK_SIZE)

/**
 * States without those that hold the same files with the same acknowledged as an earlier one. Under a limit every moment
 * gets its share, so that one large write does not take them all.
 */
export function* tracedStates(system: SystemTrace, options: TracedStatesOptions): Generator<TracedState> {
  const { acknowledged, begun } = system
  const seen = new Set<string>()
  for (const state of sampledStates(system.trace, options)) {
    const said = saidAt(system, state.eventCount)
    const key = `${state.fingerprint}/${said.acknowledged}/${said.begun}`
    if (seen.has(key)) continue
    seen.add(key)
    const known = acknowledged.slice(0, said.acknowledged)
    const ended = new Set(known.map((value) => JSON.stringify(value)))
    const inFlight = begun.slice(0, said.begun).filter((value) => !ended.has(JSON.stringify(value)))
    yield { state, acknowledged: known, inFlight }
  }
}

/**
 * The states of `crashStates`, with the same ids, without the work of looking at those that are left out: a program that
 * never syncs has thousands of pending units, and as many states at each of hundreds of moments.
 */
function* sampledStates(trace: DiskTrace, { seed, limit, persistence }: TracedStatesOptions): Generator<CrashState> {
  const narrow = narrowingOf(persistence, trace)
  const quota = quotaOf(trace, limit)
  for (const point of crashPoints(trace)) {
    const { next, medium, pending } = point
    const builder = new StateBuilder(medium, pending)
    for (const number of numbersOf(candidateCount(pending.length, SAMPLE_COUNT), quota, mix(next, seed))) {
      const random = (): SimulatedRandom => new SimulatedRandom(mix(mix(seed, next), number))
      const drawn = candidateOf(number, pending.length, random)
      const candidate = narrow === undefined ? drawn : narrow(drawn, pending, next)
      const tree = candidate && builder.build(candidate)
      if (candidate !== undefined && tree !== undefined) {
        yield new CrashState(trace, point, number, candidate, tree, tree.fingerprint())
      }
    }
  }
}

/** How many states a moment may have, so that all together are as many as the limit. */
function quotaOf(trace: DiskTrace, limit: number): number {
  const counts = [...crashPoints(trace)].map(({ pending }) => candidateCount(pending.length, SAMPLE_COUNT))
  let [rest, moments] = [limit, counts.length]
  for (const count of counts.toSorted((left, right) => left - right)) {
    if (count > rest / moments) return rest / moments
    rest -= count
    moments--
  }
  return Infinity
}

/** The numbers of the candidates to look at, in order: nothing kept and everything kept are always among them. */
function numbersOf(count: number, quota: number, seed: number): readonly number[] {
  if (count <= quota) return Array.from({ length: count }, (_none, number) => number)
  const random = new SimulatedRandom(seed)
  const chosen = new Set([0, 1])
  while (chosen.size < quota) chosen.add(random.below(count))
  return [...chosen].toSorted((left, right) => left - right)
}

/** What the program had said before the event of that number. */
function saidAt({ said }: SystemTrace, eventCount: number): { readonly acknowledged: number; readonly begun: number } {
  return said.findLast((moment) => moment.eventCount <= eventCount) ?? { acknowledged: 0, begun: 0 }
}

/** Puts the state into the directory, which it makes anew. */
export async function materialise(state: CrashState, directory: string): Promise<void> {
  await rm(directory, { recursive: true, force: true })
  await mkdir(directory, { recursive: true })
  const disk = state.mount({ keepsTrace: false, watchesUse: false })
  const fill = async (path: string): Promise<void> => {
    for (const name of await disk.list(path)) {
      const inner = `${path}/${name}`
      if ((await disk.stat(inner))?.kind !== "directory") continue
      await mkdir(join(directory, inner), { recursive: true })
      await fill(inner)
    }
  }
  await fill("")
  for (const [path, bytes] of disk.files()) await writeSparse(join(directory, path), bytes)
}

async function writeSparse(path: string, bytes: Uint8Array): Promise<void> {
  await mkdir(dirname(path), { recursive: true })
  const file = await open(path, "w")
  try {
    await file.truncate(bytes.length)
    for (let start = 0; start < bytes.length; start += CHUNK_SIZE) {
      const chunk = bytes.subarray(start, start + CHUNK_SIZE)
      if (ZEROS.compare(chunk, 0, chunk.length, 0, chunk.length) === 0) continue
      await file.write(chunk, 0, chunk.length, start)
    }
  } finally {
    await file.close()
  }
}
