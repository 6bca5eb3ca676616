// Seeded bugs in secondary indexes: they drift from their table, or let in what is not unique.

import type { Mutant } from "./mutant.ts"

const EQUAL_A_SCAN = "test/property/indexes-equal-a-scan.property.test.ts"
const UNIQUE = "test/store/unique.test.ts"

export const indexMutants: readonly Mutant[] = [
  {
    name: "index-outlives-a-failed-log",
    file: "src/store/table-indexes.ts",
    find: "if (this.#recoveryCount === this.#engine.recoveryCount || !this.#isUp) return",
    replace: "if (this.#recoveryCount >= 0) return",
    story:
      "The log fails, commits are taken back, and the index still has them: it leads to records that are not there.",
    tests: [EQUAL_A_SCAN],
  },
  {
    name: "index-changed-before-the-commit",
    file: "src/store/index-registry.ts",
    find: "checkUnique(this.#edits)\n        return operations",
    replace: "checkUnique(this.#edits)\n        this.#edits.apply()\n        return operations",
    story: "A commit that is refused afterwards, by the codec for example, has changed the index.",
    tests: [EQUAL_A_SCAN],
  },
  {
    name: "index-build-ignores-commits",
    file: "src/store/secondary-index.ts",
    find: 'return this.state === "building" || this.state === "ready"',
    replace: 'return this.state === "ready"',
    story: "What is written while an index is built, to records that were taken in already, is never in the index.",
    tests: ["test/store/indexes.test.ts"],
  },
  {
    name: "unique-among-those-before-only",
    file: "src/store/unique-check.ts",
    find: "const claims = insertions > 1 ?",
    replace: "const claims = insertions < 0 ?",
    story: "Two records of one commit get the same key of a unique index.",
    tests: [UNIQUE],
  },
  {
    name: "unique-not-known-yet-is-let-in",
    file: "src/store/unique-check.ts",
    find: "if (!index.isOnline) index.requireReady()",
    replace: "",
    story: "Just opened, while a unique index is built, a second record gets a key that is not in the index yet.",
    tests: [UNIQUE],
  },
  {
    name: "index-walk-keeps-its-place",
    file: "src/table/ordered-entries.ts",
    find: "if (this.#generation !== this.#entries.generation) this.#seek()",
    replace: "if (this.#generation < 0) this.#seek()",
    story: "A walk over an index goes on by number where entries before it have come or gone: some are left out.",
    tests: ["test/table/ordered-entries.test.ts"],
  },
  {
    name: "index-range-compared-by-its-size",
    file: "src/store/transaction-indexes.ts",
    find: "if (areSame(before, after)) continue",
    replace: "if (before.length === after.length) continue",
    story:
      "A transaction commits although one record has left the range that it read and another one has come into it.",
    tests: ["test/store/transaction-indexes.test.ts"],
  },
  {
    name: "index-of-a-snapshot-shows-later-writes",
    file: "src/store/snapshot-index.ts",
    find: "(hasChanged && this.#versions.versionOf(this.#entry, key, PRESENT) > lsn)",
    replace: "(hasChanged && lsn < 0)",
    story: "Through the index of a snapshot records are met that were written after it was taken.",
    tests: ["test/store/transaction-indexes.test.ts"],
  },
  {
    name: "first-record-behind-an-emptied-block-is-missing",
    file: "src/table/ordered-entries.ts",
    find: "block !== undefined && entry === block.count",
    replace: "block === undefined",
    story:
      "A look-up finds nothing where records with smaller keys, of the same index key, have left the block before.",
    tests: ["test/table/ordered-entries.test.ts"],
  },
]
