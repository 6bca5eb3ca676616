// `node examples/two-stores/main.ts [rounds]`: two banks in two processes, each with a store of its own, and a coordinator
// in a third. Money goes from bank to bank while one of the three after the other is killed in the middle of it; in the
// end all of the money is there, and nothing is in doubt.

import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { BANK_STEPS, COORDINATOR_STEPS } from "./messages.ts"
import { Processes } from "./processes.ts"
import { deposit, settledTotals, transferUntilAnswered } from "./transfers.ts"

const [roundsText] = process.argv.slice(2)
const rounds = Number(roundsText ?? 12)
const directory = await mkdtemp(join(tmpdir(), "orrery-two-stores-"))
const processes = await Processes.start(directory)
await deposit(processes, "ada", 1_000)
const before = await settledTotals(processes)
console.log(`west has ${before.west}, east has ${before.east}`)

const victims = ["coordinator", "west", "east"] as const
for (let round = 0; round < rounds; round++) {
  const victim = victims[round % victims.length] ?? "coordinator"
  const steps = victim === "coordinator" ? COORDINATOR_STEPS : BANK_STEPS.slice(0, 4)
  const step = steps[Math.floor(round / victims.length) % steps.length] ?? ""
  processes.dieAt(victim, step)
  const [from, to] = round % 2 === 0 ? (["west", "east"] as const) : (["east", "west"] as const)
  const transfer = { id: `transfer-${round}`, from, to, account: "ada", amount: 10 + round }
  const answer = await transferUntilAnswered(processes, transfer)
  console.log(`${transfer.id}: ${from} to ${to}, ${transfer.amount}: ${answer}; ${victim} was to die at "${step}"`)
}

const after = await settledTotals(processes)
const { coordinator, west, east } = processes.deaths
console.log(`kills: coordinator ${coordinator}, west ${west}, east ${east}`)
console.log(`west has ${after.west}, east has ${after.east}: ${after.west + after.east} as before, nothing is in doubt`)
await processes.stop()
await rm(directory, { recursive: true, force: true })
if (after.west + after.east !== before.west + before.east) throw new Error("money was lost, or made")
