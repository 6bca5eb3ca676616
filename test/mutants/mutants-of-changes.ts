// Seeded bugs in what subscribers are told: states that do not fit the commits behind them, values before that never were.

import type { Mutant } from "./mutant.ts"

const CHANGES = "test/store/changes.test.ts"
const WHOLE_STATE = "test/property/streams-carry-the-whole-state.property.test.ts"

export const changesMutants: readonly Mutant[] = [
  {
    name: "state-shown-before-durable",
    file: "src/streams/state-first.ts",
    find: "if (!isDurable || (await states.settled(state)) || this.isClosed) return state",
    replace: "if (states.wallMs() >= 0) return state",
    story: "A stream begins with a state that a power cut takes back.",
    tests: [CHANGES],
  },
  {
    name: "base-taken-over-too-early",
    file: "src/streams/before-values.ts",
    find: "if (next === undefined || next.lsn > lsn) return",
    replace: "if (next === undefined) return",
    story: "The value before a change is one that was written after it.",
    tests: [CHANGES, WHOLE_STATE],
  },
  {
    name: "lost-base-not-rebuilt-where-it-was",
    file: "src/streams/before-values.ts",
    find: "this.#base = await this.#baseAt(lsnOf(commit.lsn - 1))",
    replace: "this.#base = await this.#baseAt(this.#states.lastLsn)",
    story: "A stream whose snapshot was given up goes on with the state of now, which is not that of its position.",
    tests: [CHANGES, WHOLE_STATE],
  },
  {
    name: "applied-commits-lost-in-silence",
    file: "src/streams/subscription.ts",
    find: "if (delivered > keptLsn) return this.abort(",
    replace: "if (delivered > keptLsn + 1) return this.abort(",
    story: "The log takes back a commit that a subscriber has got already, and nobody tells him.",
    tests: [CHANGES],
  },
  {
    name: "lost-positions-forgotten",
    file: "src/streams/applied-feed.ts",
    find: "this.lost.note(lsnOf(keptLsn), this.#givenLsn)",
    replace: "this.lost.note(lsnOf(keptLsn), lsnOf(keptLsn))",
    story: "Who left a stream behind a commit that the log took back goes on from there as if it had happened.",
    tests: [CHANGES],
    only: "took back is refused",
  },
  {
    name: "copy-reads-the-slot-of-another",
    file: "src/streams/record-copy.ts",
    find: "return slot.owner === this ? slot.buffer : this.#load()",
    replace: "return slot.owner !== undefined ? slot.buffer : this.#load()",
    story: "A change that was kept for a while has the key and the value of a later one.",
    tests: ["test/streams/record-copy.test.ts"],
  },
  {
    name: "asking-ahead-overtakes-the-state",
    file: "src/streams/serial-source.ts",
    find: "const rest = this.#count === 0 && !this.isClosed ? this.rest() : undefined\n    if (rest !== undefined) return rest.next()",
    replace: "const rest = this.isClosed ? undefined : this.rest()\n    if (rest !== undefined) return rest.next()",
    story: "Who asks for commits ahead, while a state ends, gets the second one before the first.",
    tests: [CHANGES],
  },
]
