// The client of the example: puts money into both banks, asks for transfers until each has an answer, and looks whether
// all of the money is still there.

import { pause } from "./line.ts"
import type { Answer, Bank, Transfer } from "./messages.ts"
import type { Processes } from "./processes.ts"

export interface Totals {
  readonly west: number
  readonly east: number
  /** Transfers that either bank waits for a decision about. */
  readonly inDoubt: number
}

export async function deposit(processes: Processes, account: string, amount: number): Promise<void> {
  for (const bank of ["west", "east"] as const) {
    await untilAnswered(() => processes.ask(bank, { kind: "deposit", account, amount }))
  }
}

/** Whoever dies over it is asked again: it is the same transfer. */
export async function transferUntilAnswered(processes: Processes, transfer: Transfer): Promise<"done" | "refused"> {
  const { kind } = await untilAnswered(() => processes.ask("coordinator", { kind: "transfer", transfer }))
  if (kind !== "done" && kind !== "refused") throw new Error(`a transfer was answered with ${kind}`)
  return kind
}

/** When nothing is in doubt any more. */
export async function settledTotals(processes: Processes): Promise<Totals> {
  for (;;) {
    const [west, east] = [await totalOf(processes, "west"), await totalOf(processes, "east")]
    const inDoubt = west.inDoubt + east.inDoubt
    if (inDoubt === 0) return { west: west.sum, east: east.sum, inDoubt }
    await pause(10)
  }
}

async function totalOf(processes: Processes, bank: Bank): Promise<{ readonly sum: number; readonly inDoubt: number }> {
  const answer = await untilAnswered(() => processes.ask(bank, { kind: "sum" }))
  if (answer.kind !== "sum") throw new Error(`a bank told its sum with ${answer.kind}`)
  return answer
}

async function untilAnswered(ask: () => Promise<Answer | undefined>): Promise<Answer> {
  for (;;) {
    const answer = await ask()
    if (answer !== undefined) return answer
    await pause(10)
  }
}
