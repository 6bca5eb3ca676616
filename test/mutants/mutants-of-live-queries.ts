// Seeded bugs in live queries: what they show that is not durable, not whole, or not in its place.

import type { Mutant } from "./mutant.ts"

const EQUAL_THE_LOG = "test/property/live-results-equal-the-log.property.test.ts"
const INDEX_ROUTES = "test/streams/live-index-routes.test.ts"
const RESTART = "test/store/live-restart.test.ts"
const WINDOW = "test/streams/live-window.test.ts"

export const liveQueryMutants: readonly Mutant[] = [
  {
    name: "live-query-begins-before-its-state-is-durable",
    file: "src/store/live-start.ts",
    find: "await this.#untilDurable(snapshot)",
    replace: "await this.rest(0)",
    story: "A live query begins with commits that the failing log takes back, and keeps them.",
    tests: [RESTART, EQUAL_THE_LOG],
  },
  {
    name: "live-query-goes-on-beginning-without-its-feed",
    file: "src/store/live-queries.ts",
    find: "=> this.#epoch === epoch",
    replace: "=> epoch >= 0",
    story: "The feed is lost while a live query reads its table: it shows a state in which commits are missing.",
    tests: [RESTART],
  },
  {
    name: "live-query-takes-commits-that-its-snapshot-has",
    file: "src/streams/live-node.ts",
    find: " || change.version <= this.#snapshotLsn",
    replace: "",
    story: "A live query takes in commits again that its snapshot holds, and goes back to older values on the way.",
    tests: ["test/streams/live-router.test.ts"],
  },
  {
    name: "live-query-forgets-what-followed-its-snapshot",
    file: "src/streams/live-query.ts",
    find: "if (behind.length > 0) stage.step(behind)",
    replace: "",
    story: "What was committed while a live query read its table is missing in it for ever.",
    tests: ["test/store/live.test.ts"],
  },
  {
    name: "live-query-sees-half-of-a-commit",
    file: "src/streams/live-node.ts",
    find: "this.#changes.length === 0 && ",
    replace: "",
    story: "A row that one commit puts and deletes stays in the result.",
    tests: [EQUAL_THE_LOG],
  },
  {
    name: "live-query-misses-what-left-its-part-while-it-was-read",
    file: "src/streams/live-router.ts",
    find: "change !== undefined && change.lsn > snapshotLsn",
    replace: "change === null",
    story: "A row whose index key changes while a live query reads its part of the index stays in the result for ever.",
    tests: [INDEX_ROUTES],
  },
  {
    name: "live-query-reads-its-part-as-it-is-now",
    file: "src/store/live-parts.ts",
    find: "changedSince(entry, view)) take(key, value)",
    replace: "changedSince(entry, view)) void [key, value]",
    story:
      "A live query begins without rows that have left its part of the index by commits which it does not show yet.",
    tests: ["test/store/live-index.test.ts"],
  },
  {
    name: "late-commit-hides-where-a-row-is",
    file: "src/streams/live-index-routes.ts",
    find: "if (isOld)",
    replace: "if (isOld && count < 0)",
    story: "A commit that a live query's snapshot has arrives late, and no later change of its row comes to the query.",
    tests: [INDEX_ROUTES],
  },
  {
    name: "range-hides-behind-a-shorter-one",
    file: "src/streams/interval-tree.ts",
    find: "if (left !== undefined && high !== undefined) high = further(high, left.furthest)",
    replace: "",
    story: "A live query over a long range of an index misses changes once queries over shorter ranges come.",
    tests: ["test/streams/interval-tree.test.ts", INDEX_ROUTES],
  },
  {
    name: "live-window-is-short-of-its-last-row",
    file: "src/streams/live-window.ts",
    find: "if (this.#sorted.count >= this.#high) this.#enter",
    replace: "if (this.#sorted.count > this.#high) this.#enter",
    story: "A row that moves up into the window is not told of: whoever follows the deltas has one too few.",
    tests: [WINDOW],
  },
]
