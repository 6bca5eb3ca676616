// `npm run bench`: runs the benchmarks one after another, alone on the machine as far as it can see to that, and prints
// what they found beside what they were to reach.
//
//   npm run bench                        all of them, in full
//   npm run bench -- puts gets           these
//   npm run bench -- --quick             all, with small sizes: to see that they work, never to quote
//   npm run bench -- --write             also to docs/benchmarks.md
//   npm run bench -- --rounds 7          other than the usual number of rounds
//   npm run bench -- --directory /mnt    where the stores are made; default: the system's folder for temporary files
//   npm run bench -- soak --minutes 60   a long run under load (default: 10 minutes); ends with 1 where memory is not flat
//                                        or the directory not bounded. Only by its name, never with the others.

import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { parseArgs } from "node:util"
import { row as amplification } from "./amplification.bench.ts"
import { row as changes } from "./changes.bench.ts"
import { row as commits } from "./commits.bench.ts"
import { row as compaction } from "./compaction.bench.ts"
import { row as compression } from "./compression.bench.ts"
import { row as feed } from "./feed.bench.ts"
import { row as gets } from "./gets.bench.ts"
import type { Context, Row } from "./harness.ts"
import { row as importing } from "./import.bench.ts"
import { row as indexes } from "./indexes.bench.ts"
import { installPeers } from "./install-peers.ts"
import { row as live } from "./live.bench.ts"
import { row as lone } from "./lone.bench.ts"
import { describeMachine, isLoaded, takeBenchmarkLock } from "./machine.ts"
import { row as memory } from "./memory.bench.ts"
import { row as metadata } from "./metadata.bench.ts"
import { row as merkle } from "./merkle.bench.ts"
import { row as pauses } from "./pauses.bench.ts"
import { row as prepare } from "./prepare.bench.ts"
import { row as puts } from "./puts.bench.ts"
import { row as recovery } from "./recovery.bench.ts"
import { row as redis } from "./redis.bench.ts"
import { asMarkdown, asText, figure, summaryOf } from "./report.ts"
import type { Figure, Report } from "./report.ts"
import { row as shrink } from "./shrink.bench.ts"
import { soakRow } from "./soak-row.ts"
import { hasStandalone, standaloneRow } from "./standalone.ts"
import { row as transactions } from "./transactions.bench.ts"
import { row as views } from "./views.bench.ts"
import { row as writers } from "./writers.bench.ts"

const root = join(import.meta.dirname, "..")

const rows: readonly Row[] = [
  puts,
  gets,
  lone,
  transactions,
  writers,
  commits,
  prepare,
  indexes,
  metadata,
  memory,
  merkle,
  pauses,
  recovery,
  compaction,
  compression,
  shrink,
  amplification,
  importing,
  feed,
  views,
  changes,
  redis,
  live,
  ...(hasStandalone("streams")
    ? [standaloneRow("streams", "The change feed alone, without disk", 45, feedFigures)]
    : []),
  soakRow,
]

function feedFigures(output: string): readonly Figure[] {
  const rate = /^100 observers of prefixes.* ([\d.]+) M records\/s/m.exec(output)?.[1]
  const what = "100 prefix subscribers, the feed alone"
  return [figure(what, { atLeast: 5, unit: " M events/s" }, rate === undefined ? [] : [Number(rate)])]
}

interface Command {
  readonly selected: readonly Row[]
  readonly isQuick: boolean
  readonly isWritten: boolean
  readonly rounds: number | undefined
  readonly directory: string
  readonly minutes: number
}

function commandFrom(commandArguments: readonly string[]): Command {
  const { values, positionals } = parseArgs({
    args: [...commandArguments],
    allowPositionals: true,
    options: {
      quick: { type: "boolean", default: false },
      write: { type: "boolean", default: false },
      rounds: { type: "string" },
      minutes: { type: "string", default: "10" },
      directory: { type: "string", default: tmpdir() },
    },
  })
  const unknown = positionals.filter((name) => !rows.some((row) => row.name === name))
  if (unknown.length > 0) {
    throw new TypeError(`there is no benchmark "${unknown.join('", "')}": ${rows.map((row) => row.name).join(", ")}`)
  }
  const rounds = values.rounds === undefined ? undefined : Number(values.rounds)
  if (rounds !== undefined && !(Number.isInteger(rounds) && rounds >= 1)) {
    throw new TypeError(`--rounds takes a whole number from 1, not ${values.rounds ?? ""}`)
  }
  const minutes = Number(values.minutes)
  if (!(minutes > 0)) throw new TypeError(`--minutes takes a number above 0, not ${values.minutes}`)
  return {
    selected: rows.filter((row) =>
      positionals.length === 0
        ? row.isOnlyByName !== true && (row.hasQuickSize || !values.quick)
        : positionals.includes(row.name),
    ),
    isQuick: values.quick,
    isWritten: values.write,
    rounds,
    directory: values.directory,
    minutes,
  }
}

function sayPlan({ selected, isQuick, minutes }: Command): void {
  const seconds = selected.map((row) => row.estimateSeconds(isQuick, minutes))
  const total = seconds.reduce((sum, value) => sum + value, 0)
  say(`plan${isQuick ? ", quick" : ""}: about ${(total / 60).toFixed(1)} minutes on a quiet machine`)
  for (const [index, row] of selected.entries()) {
    say(`  ${row.name.padEnd(10)} ${String(seconds[index]).padStart(4)} s  ${row.title}`)
  }
}

async function measureAll(command: Command, directory: string): Promise<Report[]> {
  const startMs = performance.now()
  const reports: Report[] = []
  const context: Context = {
    isQuick: command.isQuick,
    directory,
    minutes: command.minutes,
    rounds: (fallback) => command.rounds ?? fallback,
    progress: (message) => say(`${((performance.now() - startMs) / 1000).toFixed(0).padStart(5)} s  ${message}`),
  }
  for (const row of command.selected) {
    const report = await row.run(context)
    reports.push(report)
    console.log(asText(report))
  }
  return reports
}

function write(head: readonly string[], reports: readonly Report[]): void {
  const path = join(root, "docs", "benchmarks.md")
  const text = ["# Benchmarks", head.map((line) => `- ${line}`).join("\n"), ...reports.map(asMarkdown)].join("\n\n")
  writeFileSync(path, `${text}\n`)
  say(`written: ${path}`)
}

function say(message: string): void {
  process.stderr.write(`${message}\n`)
}

async function main(): Promise<void> {
  const command = commandFrom(process.argv.slice(2))
  sayPlan(command)
  const problem = installPeers(say)
  if (problem !== undefined) say(`the peers could not be installed: ${problem}`)
  const release = await takeBenchmarkLock(say)
  const directory = mkdtempSync(join(command.directory, "orrery-bench-"))
  // Also when the user has had enough.
  process.once("exit", () => rmSync(directory, { recursive: true, force: true }))
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(1))
  const head = [
    new Date().toISOString().slice(0, 16).replace("T", " ") + " UTC",
    `\`npm run bench${process.argv.length > 2 ? ` -- ${process.argv.slice(2).join(" ")}` : ""}\``,
    describeMachine(directory),
    "Durability of the engine wherever nothing else is said: synced, that is, every put is acknowledged after its data sync.",
  ]
  if (command.isQuick) head.push("Quick: sizes too small to quote.")
  if (isLoaded()) head.push("The machine was busy with something else when this began: the figures are noise.")
  for (const line of head) console.log(line)
  const reports = await measureAll(command, directory)
  const all = [summaryOf(reports), ...reports]
  if (reports.some(({ figures }) => figures.length > 0)) console.log(asText(all[0] as Report))
  if (command.isWritten) write(head, all)
  if (reports.some(({ isFailed }) => isFailed === true)) process.exitCode = 1
  release()
}

await main()
