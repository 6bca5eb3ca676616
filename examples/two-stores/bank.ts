// A bank: one process with one store, its accounts. It prepares its half of a transfer, and then waits for what the
// coordinator decides. When it comes back from the dead it is in doubt about what it had prepared, and asks.

import { open, TransactionConflict, UnknownTransaction } from "../../src/index.ts"
import { Line, pause } from "./line.ts"
import type { Answer, Question } from "./messages.ts"

/** How often a bank asks about what it is in doubt about. */
const ASK_MS = 50

class NotEnough extends Error {}

const [directory = ""] = process.argv.slice(2)
const store = await open(directory)
const accounts = store.table<number>("accounts")

async function prepare(attempt: string, account: string, amount: number): Promise<Answer> {
  const known = store.outcome(attempt)
  if (known !== undefined) return { kind: known.outcome === "in doubt" ? "prepared" : "refused" }
  try {
    await store.transact((tx) => {
      const balance = (tx.get(accounts, account) ?? 0) + amount
      if (balance < 0) tx.abort(new NotEnough())
      tx.put(accounts, account, balance)
      tx.prepare(attempt, { account, amount })
    })
    return { kind: "prepared" }
  } catch (error) {
    if (error instanceof NotEnough) return { kind: "refused" }
    // Another transfer holds the account.
    if (error instanceof TransactionConflict) return { kind: "busy" }
    throw error
  }
}

async function commit(attempt: string): Promise<Answer> {
  line.step("before it commits")
  await store.commitPrepared(attempt)
  line.step("committed")
  return { kind: "done" }
}

async function abort(attempt: string, reason: string): Promise<Answer> {
  line.step("before it aborts")
  try {
    await store.abortPrepared(attempt, reason)
  } catch (error) {
    // It was never prepared here, so there is nothing to take back.
    if (!(error instanceof UnknownTransaction)) throw error
  }
  line.step("aborted")
  return { kind: "done" }
}

async function answer(question: Question): Promise<Answer> {
  switch (question.kind) {
    case "deposit":
      await accounts.put(question.account, question.amount)
      return { kind: "done" }
    case "prepare": {
      line.step("before it prepares")
      const answered = await prepare(question.attempt, question.account, question.amount)
      if (answered.kind === "prepared") line.step("prepared")
      return answered
    }
    case "commit":
      return commit(question.attempt)
    case "abort":
      return abort(question.attempt, "the coordinator said so")
    case "sum": {
      const sum = [...accounts.values()].reduce((total, balance) => total + balance, 0)
      return { kind: "sum", sum, inDoubt: store.inDoubt().length }
    }
    case "transfer":
    case "outcome":
      throw new Error(`a bank is not asked for ${question.kind}`)
  }
}

const line = new Line(answer)

for (;;) {
  for (const { id } of store.inDoubt()) {
    const outcome = await line.ask("coordinator", { kind: "outcome", attempt: id })
    if (outcome?.kind === "committed") await commit(id)
    else if (outcome?.kind === "aborted") await abort(id, "the coordinator does not know it")
  }
  await pause(ASK_MS)
}
