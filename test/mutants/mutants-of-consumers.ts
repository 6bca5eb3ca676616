// Seeded bugs in what works off the change feed inside the store: named consumers and views.

import type { Mutant } from "./mutant.ts"

const CONSUMERS = "test/store/consumers.test.ts"
const VIEWS = "test/store/views.test.ts"

export const consumerMutants: readonly Mutant[] = [
  {
    name: "position-over-commits-in-hand",
    file: "src/store/commit-intake.ts",
    find: "      this.#isInHand = true\n",
    replace: "",
    story: "A consumer that is stopped in the middle of its work saves a position behind it: those commits are lost.",
    tests: [CONSUMERS],
    only: "has in hand",
  },
  {
    name: "own-commits-not-marked",
    file: "src/store/consumer-tables.ts",
    find: "return marks.length === 0 ? operations : [...operations, ...marks]",
    replace: "return operations",
    story: "A consumer of all tables is given what it wrote itself, and feeds itself for ever.",
    tests: [CONSUMERS],
    only: "made itself",
  },
  {
    name: "view-goes-on-behind-a-failure",
    file: "src/store/view-lease.ts",
    find: "if (!isHeld || this.#isBroken) throw new Superseded()",
    replace: "if (!isHeld) throw new Superseded()",
    story: "Changes that were on their way behind one that failed are taken in, and that one never is.",
    tests: [VIEWS],
    only: "on their way",
  },
  {
    name: "last-claim-has-the-row",
    file: "src/store/view-map.ts",
    find: "    claims.sort(inOrder)\n",
    replace: "",
    story: "Where two records give one key, the row depends on which came last, and building anew gives another one.",
    tests: [VIEWS],
    only: "several records claim",
  },
  {
    name: "fold-build-taken-up-again",
    file: "src/store/view-lease.ts",
    find: 'kind === "fold" && standing === "building"',
    replace: "false",
    story: "A view by fold whose build was cut off goes on with it, and counts twice what it had taken in.",
    tests: ["test/property/views-equal-their-definition.property.test.ts"],
  },
  {
    name: "group-keeps-the-former-part",
    file: "src/store/view-reduce.ts",
    find: "if (before?.[0] === id && isPrimitive(added) && Object.is(before[1], added)) return",
    replace: "if (before?.[0] === id && isPrimitive(added)) return",
    story: "A record that stays in its group counts for what it was, whatever becomes of the part that counts.",
    tests: ["test/store/view-upkeep.test.ts"],
  },
  {
    name: "staged-rows-unseen",
    file: "src/store/view-stage.ts",
    find: "if (this.#appended.length > 0) this.#sort()",
    replace: "if (this.#appended.length > 1e9) this.#sort()",
    story:
      "A row that was written as it came is not seen by a record of the same commit that claims it, which takes it over.",
    tests: ["test/store/view-upkeep.test.ts"],
  },
  {
    name: "row-is-taken-back-from-who-has-just-claimed-it",
    file: "src/store/view-map.ts",
    find: " || this.#claims.isStaged(row)",
    replace: "",
    story: "A row shows the record that gave it alone before, though one of the same commit claims it and comes first.",
    tests: ["test/store/view-upkeep.test.ts"],
  },
]
