// Seeded bugs in prepared transactions: promises that are given too early, and keys that are not held.

import type { Mutant } from "./mutant.ts"

const PREPARED = "src/store/prepared.ts"

export const preparedMutants: readonly Mutant[] = [
  {
    name: "prepare-acknowledged-early",
    file: "src/store/transact.ts",
    find: "await this.#parts.prepared.durable(lsn)",
    replace: "",
    story: "A participant says that it is prepared, loses its power, and knows nothing of it.",
    tests: ["test/store/prepared.test.ts"],
    only: "is written, seen by nobody, and committed",
  },
  {
    name: "repeated-decision-acknowledged-early",
    file: PREPARED,
    find: "await this.durable(earlier.taken.lsn)",
    replace: "",
    story: "A coordinator that repeats itself is told that it is done while the first decision may still be lost.",
    tests: ["test/store/prepared.test.ts"],
    only: "is repeated while the first is on its way",
  },
  {
    name: "held-keys-not-loaded-after-a-failed-log",
    file: PREPARED,
    find: "if (loaded === this.#engine.recoveryCount) return",
    replace: "if (loaded > 0) return",
    story: "A decision was lost with the log's end: the transaction is in doubt again, and its keys are anybody's.",
    tests: ["test/store/prepared-failures.test.ts"],
  },
  {
    name: "prepared-over-a-read-of-the-past",
    file: PREPARED,
    find: "if (obstacle !== undefined)",
    replace: "if (obstacle !== undefined && obstacle.id === id)",
    story: "Two transactions over two stores each come before the other: no order of the two explains the outcome.",
    tests: ["test/store/prepared.test.ts"],
    only: "by its writes keeps others from being prepared",
  },
  {
    name: "walked-table-not-held",
    file: "src/store/held-keys.ts",
    find: "const holder = otherIn(held.readers.get(key), own) ?? otherIn(held.scanners, own)",
    replace: "const holder = otherIn(held.readers.get(key), own)",
    story: "A key comes into a table that a prepared transaction has counted: a phantom.",
    tests: ["test/store/prepared.test.ts"],
    only: "whole tables that were walked",
  },
  {
    name: "promised-index-key-not-held",
    file: "src/store/held-keys.ts",
    find: "return otherIn(held.writers.values(), own)",
    replace: "return undefined",
    story: "A key of a unique index that a prepared transaction was promised is given away: its COMMIT is refused.",
    tests: ["test/store/indexes-beside-in-doubt.test.ts"],
    only: "keeps others from the table",
  },
  {
    name: "forgotten-decision-is-kept",
    file: "src/store/decisions.ts",
    find: "operations.push(this.#tables[forgotten.outcome].deletion(forgotten.id), this.#order.deletion(String(oldest)))",
    replace: "operations.push(this.#order.deletion(String(oldest)))",
    story: "Decisions are remembered for ever, and what is left of many transactions grows with their number.",
    tests: ["test/store/prepared.test.ts", "test/store/prepared-kept.test.ts"],
  },
]
