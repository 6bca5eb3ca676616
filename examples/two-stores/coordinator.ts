// The coordinator: one process, whose own store holds its decisions. A transfer is decided by one put in that store:
// before it, whoever asks is told that the attempt was aborted; behind it, that it was committed (presumed abort: Mohan,
// Lindsay 1983). An attempt that a crash has cut off is never taken up again; the next one has another number.

import { open } from "../../src/index.ts"
import { Line, pause } from "./line.ts"
import type { Answer, Bank, Question, Transfer } from "./messages.ts"

interface Progress extends Transfer {
  readonly attempt: number
  readonly state: "trying" | "refused" | "committed" | "done"
}

/** How long the coordinator waits before it asks a bank that is gone, or busy, again. */
const AGAIN_MS = 20

const [directory = ""] = process.argv.slice(2)
const store = await open(directory)
const transfers = store.table<Progress>("transfers")
/** Attempts that this process is at work on. Whatever else is not decided was cut off. */
const underWay = new Set<string>()

function nameOf({ id, attempt }: Progress): string {
  return `${id}#${attempt}`
}

async function transfer(wanted: Transfer): Promise<Answer> {
  for (;;) {
    const known = transfers.get(wanted.id)
    if (known?.state === "done" || known?.state === "refused") return { kind: known.state }
    if (known?.state === "committed") {
      await deliver(known)
      continue
    }
    const progress: Progress = { ...wanted, attempt: (known?.attempt ?? 0) + 1, state: "trying" }
    underWay.add(nameOf(progress))
    await attemptOnce(progress)
    underWay.delete(nameOf(progress))
  }
}

async function attemptOnce(progress: Progress): Promise<void> {
  const { id, from, to, account, amount } = progress
  const attempt = nameOf(progress)
  await transfers.put(id, progress)
  line.step("the attempt is written")
  const credit = await line.ask(to, { kind: "prepare", attempt, account, amount })
  if (credit?.kind === "prepared") line.step("one bank is prepared")
  const debit = await line.ask(from, { kind: "prepare", attempt, account, amount: -amount })
  if (credit?.kind === "prepared" && debit?.kind === "prepared") {
    line.step("both banks are prepared")
    const decided: Progress = { ...progress, state: "committed" }
    await transfers.put(id, decided)
    line.step("the decision is written")
    await deliver(decided)
    return
  }
  if (credit?.kind === "refused" || debit?.kind === "refused") {
    await transfers.put(id, { ...progress, state: "refused" })
  }
  underWay.delete(attempt)
  // A bank that does not hear it will ask.
  await Promise.all([to, from].map((bank) => line.ask(bank, { kind: "abort", attempt })))
  await pause(AGAIN_MS)
}

/** Until both banks have done it: what is decided cannot be refused any more. */
async function deliver(progress: Progress): Promise<void> {
  const attempt = nameOf(progress)
  const untilDone = async (bank: Bank): Promise<void> => {
    while ((await line.ask(bank, { kind: "commit", attempt })) === undefined) await pause(AGAIN_MS)
  }
  await untilDone(progress.to)
  line.step("one bank has committed")
  await untilDone(progress.from)
  line.step("both banks have committed")
  await transfers.put(progress.id, { ...progress, state: "done" })
}

function outcomeOf(attempt: string): Answer {
  const place = attempt.lastIndexOf("#")
  const progress = transfers.get(attempt.slice(0, place))
  if (progress === undefined || nameOf(progress) !== attempt) return { kind: "aborted" }
  if (progress.state === "committed" || progress.state === "done") return { kind: "committed" }
  return { kind: underWay.has(attempt) ? "undecided" : "aborted" }
}

async function answer(question: Question): Promise<Answer> {
  if (question.kind === "transfer") return transfer(question.transfer)
  if (question.kind === "outcome") return outcomeOf(question.attempt)
  throw new Error(`a coordinator is not asked for ${question.kind}`)
}

const line = new Line(answer)

for (const progress of transfers.values()) if (progress.state === "committed") await deliver(progress)
