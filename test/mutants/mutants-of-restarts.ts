// Seeded bugs of what comes up again: shards without a log, copies of the manifest, checkpoints that nothing leads to.

import type { Mutant } from "./mutant.ts"

const SHARD = "src/actors/shard-actor.ts"
const WITHOUT_LOG = "test/regressions/a-shard-dies-while-there-is-no-log.test.ts"

export const restartMutants: readonly Mutant[] = [
  {
    name: "shard-fails-without-a-log",
    file: SHARD,
    find: 'probe("a shard waits for the log to be started anew")',
    replace: 'throw new Error("there is no log")',
    story: "A shard that dies with the log's writer uses up its restarts in a moment: the store gives up and closes.",
    tests: [WITHOUT_LOG],
  },
  {
    name: "read-only-shard-comes-back-empty",
    file: SHARD,
    find: "if (recovered !== undefined) await this.#foldRecovered(recovered, shards, tables, fold)",
    replace: "",
    story: "A shard that dies while the disk is full comes back without its records, and says that there are none.",
    tests: [WITHOUT_LOG],
  },
  {
    name: "manifest-copy-not-written-anew",
    file: "src/actors/recoverer-actor.ts",
    find: "if (settings.mendsManifest && !engine.wasOpen) await this.#mendManifest()",
    replace: "",
    story: "A store goes on with one copy of its manifest, as long as it lives: rot in that one ends it.",
    tests: ["test/recovery/manifest-copies.test.ts"],
  },
  {
    name: "live-checkpoint-not-durable",
    file: "src/actors/fold-runner.ts",
    find: "await commit.flush()",
    replace: "",
    story:
      "A checkpoint made from the running tables holds what the log does not yet: after a power cut the store is refused.",
    tests: ["test/faults/checkpoints.test.ts"],
    only: "the only one rots",
  },
]
