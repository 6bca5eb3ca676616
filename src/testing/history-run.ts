// Runs one history on a fresh simulated disk, several operations in flight at a time, and keeps what an observer outside
// would know: when each operation began and ended, and with what. The schedule is data: the same operations, seed and
// faults give the same trace, call by call and byte by byte.

import { shuffled } from "../simulation/completion-order.ts"
import type { DiskTrace, OperationName } from "../simulation/disk-trace.ts"
import type { Fault } from "../simulation/fault-plan.ts"
import { SimulatedDisk } from "../simulation/simulated-disk.ts"
import { simulatePlatform, type SimulatedPlatform } from "../simulation/simulated-platform.ts"
import { SimulatedRandom } from "../simulation/simulated-random.ts"
import type { HistoryEntry, OperationContext, OperationOutcome } from "./crash-options.ts"
import type { CrashSettings } from "./crash-settings.ts"
import { NeverSettles, settle } from "./event-pump.ts"
import { boundDisk, diskFaultsOf, needsCallCount } from "./fault-choice.ts"
import { seedFrom } from "./seed.ts"

export interface OperationRecord<Op, Result> {
  readonly index: number
  readonly op: Op
  outcome: "not-started" | "in-flight" | "acknowledged" | "rejected" | "unknown"
  result: Result | undefined
  error: unknown
  /** Events of the trace when it began and when it ended; infinite before. */
  startedAtEvent: number
  settledAtEvent: number
  /** The same in the order of all beginnings and ends. */
  startedAt: number
  settledAt: number
}

export interface HistoryRun<Op, Result> {
  readonly records: readonly OperationRecord<Op, Result>[]
  readonly trace: DiskTrace
  readonly faultsMet: number
  readonly inFlightMax: number
  /** Why the system could not be opened, or closed, where that failed. */
  readonly failure: { readonly during: "open" | "close"; readonly error: unknown } | undefined
}

/** Microtasks that may pass between the beginnings of two operations: a few as a rule, now and then those of many calls. */
const START_STEPS_MAX = 6
const LONG_START_STEPS_MAX = 120
const LONG_START_ONE_IN = 6

/** Runs it, with the faults that the settings ask for. */
export async function runHistory<System, Op, Result, State>(
  settings: CrashSettings<System, Op, Result, State>,
  ops: readonly Op[],
  seed: number,
): Promise<HistoryRun<Op, Result>> {
  let faults: readonly Fault[] = []
  if (needsCallCount(settings.faults)) {
    const calls = (await runWith(settings, ops, seed, [])).trace.operations.map(({ name }): OperationName => name)
    faults = diskFaultsOf(settings.faults, calls, new SimulatedRandom(seedFrom(seed, "faults")))
  }
  return runWith(settings, ops, seed, faults)
}

/** The history as a crash leaves it that comes after so many events of the trace. */
export function historyAt<Op, Result>(
  records: readonly OperationRecord<Op, Result>[],
  eventCount: number,
): readonly HistoryEntry<Op, Result>[] {
  return records.map((record) => entryOf(record, outcomeAt(record, eventCount)))
}

function outcomeAt(record: OperationRecord<unknown, unknown>, eventCount: number): OperationOutcome {
  if (record.startedAtEvent > eventCount) return "not-started"
  return record.settledAtEvent > eventCount ? "in-flight" : record.outcome
}

function entryOf<Op, Result>(record: OperationRecord<Op, Result>, outcome: OperationOutcome): HistoryEntry<Op, Result> {
  const { index, op } = record
  if (outcome === "acknowledged") return { index, op, outcome, result: record.result as Result }
  if (outcome === "rejected" || outcome === "unknown") return { index, op, outcome, error: record.error }
  return { index, op, outcome }
}

async function runWith<System, Op, Result, State>(
  settings: CrashSettings<System, Op, Result, State>,
  ops: readonly Op[],
  seed: number,
  faults: readonly Fault[],
): Promise<HistoryRun<Op, Result>> {
  const completion = shuffled(new SimulatedRandom(seedFrom(seed, "completion")))
  const disk = new SimulatedDisk({ seed, completion, watchesUse: false, faults })
  boundDisk(disk, settings.faults)
  const platform = simulatePlatform({ seed, disk })
  const records = ops.map((op, index): OperationRecord<Op, Result> => {
    const never = { startedAtEvent: Infinity, settledAtEvent: Infinity, startedAt: Infinity, settledAt: Infinity }
    return { index, op, outcome: "not-started", result: undefined, error: undefined, ...never }
  })
  let inFlightMax = 0
  let failure: HistoryRun<Op, Result>["failure"]
  let during: "open" | "close" = "open"
  try {
    const system = await settle(platform, settings.open(platform, settings.path), settings.signal)
    inFlightMax = await runOperations(settings, platform, system, records, seed)
    during = "close"
    await settle(platform, settings.close(system), settings.signal)
  } catch (error) {
    settings.signal.throwIfAborted()
    failure = { during, error }
  }
  return { records, trace: disk.trace(), faultsMet: disk.faults.hitCount, inFlightMax, failure }
}

/** Keeps as many in flight as the settings say. Ends when all have ended, or what is left never will. */
async function runOperations<System, Op, Result, State>(
  settings: CrashSettings<System, Op, Result, State>,
  platform: SimulatedPlatform,
  system: System,
  records: readonly OperationRecord<Op, Result>[],
  seed: number,
): Promise<number> {
  const random = new SimulatedRandom(seedFrom(seed, "starts"))
  const disk = platform.fileSystem
  const inFlight = new Set<Promise<void>>()
  let inFlightMax = 0
  let moment = 0
  const contextOf = (index: number): OperationContext<Op, Result> => ({
    index,
    acknowledged: () =>
      records.filter(({ outcome }) => outcome === "acknowledged").map((record) => entryOf(record, "acknowledged")),
    platform,
    signal: settings.signal,
  })
  const runOne = async (record: OperationRecord<Op, Result>): Promise<void> => {
    record.outcome = "in-flight"
    record.startedAtEvent = disk.eventCount
    record.startedAt = moment++
    try {
      record.result = await settings.run(system, record.op, contextOf(record.index))
      record.outcome = "acknowledged"
    } catch (error) {
      record.error = error
      record.outcome = settings.outcomeOf(error)
    }
    record.settledAtEvent = disk.eventCount
    record.settledAt = moment++
  }
  const runAll = async (): Promise<void> => {
    for (const record of records) {
      while (inFlight.size >= settings.concurrency) await Promise.race(inFlight)
      const stepsMax = random.chance(LONG_START_ONE_IN) ? LONG_START_STEPS_MAX : START_STEPS_MAX
      for (let step = random.below(stepsMax); step > 0; step--) await Promise.resolve()
      const running = runOne(record).finally(() => inFlight.delete(running))
      inFlight.add(running)
      inFlightMax = Math.max(inFlightMax, inFlight.size)
    }
    await Promise.all(inFlight)
  }
  try {
    await settle(platform, runAll(), settings.signal)
  } catch (error) {
    // What never ends stays in flight: a crash finds it so.
    if (!(error instanceof NeverSettles)) throw error
  }
  return inFlightMax
}
