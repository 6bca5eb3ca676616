// The crash test of the bank: what operations there are, what they should do, and which transfer is tested.

import fc from "fast-check"
import { open } from "../../src/index.ts"
import type { CrashOptions } from "../../src/testing.ts"
import { Bank, InsufficientFunds, type Balances } from "./bank.ts"

export type BankOperation =
  | { readonly deposit: number; readonly to: string }
  | { readonly transfer: number; readonly from: string; readonly to: string }

export type TransferName = "transfer" | "transferInTwoCommits"

const accounts = ["ada", "bob"]
const amount = fc.integer({ min: 1, max: 100 })
const operation: fc.Arbitrary<BankOperation> = fc.oneof(
  fc.record({ deposit: amount, to: fc.constantFrom(...accounts) }),
  fc.record({ transfer: amount, from: fc.constant("ada"), to: fc.constant("bob") }),
)

/** Everything but a seed: that is chosen anew each time, and told when something is found. */
export function bankTest(transfer: TransferName): CrashOptions<Bank, BankOperation, void, Balances> {
  return {
    name: transfer,
    open: async (platform, path) =>
      new Bank(await open(path, { platform, shards: 2, segmentBytes: 4096, audit: false })),
    ops: fc.array(operation, { minLength: 2, maxLength: 8 }),
    run: (bank, op) =>
      "deposit" in op ? bank.deposit(op.to, op.deposit) : bank[transfer](op.from, op.to, op.transfer),
    model: { initial: {}, apply: applyTo },
    outcomeOf: (error) => (error instanceof InsufficientFunds ? "rejected" : "unknown"),
    recoveredView: (bank) => bank.balances(),
    // A whole store is opened for each state: a few hundred a second.
    budget: { histories: 20, ms: 30_000, shrinkMs: 20_000 },
  }
}

/** What an operation does where nothing ever fails. */
function applyTo(balances: Balances, op: BankOperation): Balances {
  if ("deposit" in op) return { ...balances, [op.to]: (balances[op.to] ?? 0) + op.deposit }
  const { transfer, from, to } = op
  if ((balances[from] ?? 0) < transfer) return balances
  return { ...balances, [from]: (balances[from] ?? 0) - transfer, [to]: (balances[to] ?? 0) + transfer }
}
