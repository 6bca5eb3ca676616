// Seeded bugs in transactions: commits that are told of too early, and conflicts that are not seen.

import type { Mutant } from "./mutant.ts"

export const transactionMutants: readonly Mutant[] = [
  {
    name: "synchronous-transaction-acknowledged-early",
    file: "src/store/transact.ts",
    find: 'if (batch === undefined || durability === "memory") {',
    replace: 'if (batch === undefined || durability !== "written") {',
    story: "A transaction that ended on its turn is told to be on the disk while it is in memory alone.",
    tests: ["test/store/synchronous-transactions.test.ts"],
    only: "is counted as committed",
  },
  {
    name: "one-conflict-is-none",
    file: "src/store/transaction-try.ts",
    find: "const keys = this.transaction.conflicts()",
    replace: "const keys = this.transaction.conflicts().slice(1)",
    story: "A transaction commits on one read that others have made untrue since: updates are lost.",
    tests: ["test/store/transact.test.ts"],
    only: "no update is lost",
  },
]
