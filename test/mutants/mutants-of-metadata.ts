// Seeded bugs in what tells of reads and writes.

import type { Mutant } from "./mutant.ts"

const STORE = "test/store/metadata.test.ts"

export const metadataMutants: readonly Mutant[] = [
  {
    name: "samples-at-equal-distances",
    file: "src/streams/access-sampler.ts",
    find: "return 1 + Math.floor(Math.log(share) / LOG_OF_MISS)",
    replace: "return share > 0 ? SAMPLE_EVERY : 0",
    story: "Of accesses in a rhythm always the same one is sampled: the hottest key is one that is not hot.",
    tests: ["test/streams/access-sampler.test.ts"],
  },
  {
    name: "a-pipeline-ends-with-its-first-failure",
    file: "src/actors/metadata-actor.ts",
    find: "if (!kept.intensity.allows(clock.monotonicMs())) {",
    replace: "if (kept.intensity.allows(clock.monotonicMs())) {",
    story: "A pipeline that has failed once is never begun anew, and nobody is told.",
    tests: [STORE],
    only: "is begun anew",
  },
  {
    name: "metadata-of-the-engine-itself",
    file: "src/streams/write-statistics.ts",
    find: "if (numbers === undefined || entry === undefined || entry.isSystem) return",
    replace: "if (numbers === undefined || entry === undefined) return",
    story: "Tables that users cannot name show up in what is written.",
    tests: [STORE],
    only: "nobody's business",
  },
]
