// What `npm run test:deep` runs: tests whose worth grows with their number, how many of each make a release, and in what
// portions.

import { powerCutsUnavailable } from "../test/processes/power-box.ts"

export interface Kind {
  readonly name: string
  /** What a unit of the goal is. */
  readonly unit: string
  /** Units for a release. */
  readonly goal: number
  /** Units of a portion. */
  readonly portion: number
  readonly files: readonly string[]
  /** The variable that asks for so many units; undefined where a portion is a whole run. */
  readonly variable: string | undefined
  readonly environment?: Readonly<Record<string, string>>
  /** The variable that says which part of the whole a portion is, as "3/40": each is done once, whatever its seed. */
  readonly part?: string
  /** A portion that is not begun with less time than this left. */
  readonly minutes?: number
  /** Why it cannot be run here, in one line. */
  readonly unavailable?: () => string | undefined
}

/** Distinct crash states of a release; all else goes with them. */
export const RELEASE_STATES = 50_000_000

export const kinds: readonly Kind[] = [
  {
    name: "crash-states",
    unit: "distinct crash states",
    goal: RELEASE_STATES,
    portion: 1_000_000,
    files: ["test/property/acknowledged-writes-survive"],
    variable: "ORRERY_CRASH_STATES",
  },
  {
    name: "checkpoint-states",
    unit: "crash states of stores with checkpoints",
    goal: 100_000,
    portion: 10_000,
    files: ["test/property/checkpoints-survive-a-crash"],
    variable: "ORRERY_CRASH_STATES",
  },
  {
    name: "kill-9",
    unit: "kill -9 cycles",
    goal: 10_000,
    portion: 500,
    files: ["test/processes/kill-9"],
    variable: "ORRERY_KILL_CYCLES",
  },
  {
    name: "kill-at-every-call",
    unit: "runs killed at every call of the file system",
    goal: 1,
    portion: 1,
    files: ["test/processes/kill-at-every-call"],
    variable: undefined,
    environment: { ORRERY_KILL_CALL_STRIDE: "1" },
    minutes: 3,
  },
  {
    name: "power-cuts",
    unit: "power cuts on ext4 and XFS",
    goal: 2_000,
    portion: 250,
    files: ["test/processes/power-cuts"],
    variable: "ORRERY_POWER_CUTS",
    // What is cut off leaves its file systems mounted until the next portion.
    minutes: 4,
    unavailable: powerCutsUnavailable,
  },
  {
    name: "interleavings",
    unit: "interleavings, each run twice",
    goal: 500_000,
    portion: 50_000,
    files: ["test/property/seeded-interleavings-replay"],
    variable: "ORRERY_INTERLEAVINGS",
  },
  {
    name: "list-append",
    unit: "transactions judged by the list-append checker",
    goal: 10_000_000,
    portion: 1_000_000,
    files: ["test/property/transactions-pass-the-list-append-checker"],
    variable: "ORRERY_LIST_TRANSACTIONS",
  },
  {
    name: "folds",
    unit: "histories with checkpoints against a map",
    goal: 2_000,
    portion: 200,
    files: ["test/property/checkpointed-state-equals-live-state"],
    variable: "ORRERY_RUNS",
  },
  {
    name: "streams-from-a-state",
    unit: "schedules of streams with states and values before",
    goal: 20_000,
    portion: 2_000,
    files: ["test/property/streams-carry-the-whole-state"],
    variable: "ORRERY_STREAM_SCHEDULES",
  },
  {
    name: "unread",
    unit: "changes that pass a subscriber who never reads",
    goal: 5_000_000,
    portion: 5_000_000,
    files: ["test/streams/shapes"],
    variable: "ORRERY_FEED_UNREAD_CHANGES",
  },
  {
    name: "errno-sweeps",
    unit: "pairs of histories with every call failing in every way",
    goal: 5,
    portion: 1,
    files: ["test/property/failing-calls-break-no-promise"],
    variable: undefined,
  },
  {
    name: "worker-deaths",
    unit: "checkpoints whose worker dies",
    goal: 200,
    portion: 20,
    files: ["test/processes/checkpoint-worker"],
    variable: "ORRERY_WORKER_ROUNDS",
  },
  {
    name: "rot",
    unit: "fortieths of the bytes of a store, each changed",
    goal: 40,
    portion: 1,
    files: ["test/faults/rot-in-every-byte"],
    variable: undefined,
    environment: { ORRERY_ROT_STRIDE: "1" },
    part: "ORRERY_ROT_PART",
  },
]
