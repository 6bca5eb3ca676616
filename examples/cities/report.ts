// What the demonstration prints: headings, proofs, a recovery's report, and the table at the end.

import { cpus } from "node:os"
import { styleText } from "node:util"
import type { RecoveryReport } from "../../src/index.ts"
import type { Result } from "./comparison.ts"
import { IN_FLIGHT_COUNT_MAX } from "./put-cities.ts"

export function printHeading(text: string): void {
  console.log(`\n${styleText("bold", text)}`)
}

export function printFact(text: string): void {
  console.log(`  ${text}`)
}

/** For what was checked just now: a check that fails throws, and never gets here. */
export function printProof(text: string): void {
  console.log(`  ${styleText("green", "✔")} ${text}`)
}

export function printRecovery(report: RecoveryReport): void {
  const { commits, logBytes, segments, durationMs, cutBytes, tail, wasSealed, warnings } = report
  printFact(
    `recovered ${formatCount(commits)} commits from ${formatCount(logBytes)} bytes ` +
      `in ${segments} log segments in ${durationMs.toFixed(0)} ms`,
  )
  const phases = Object.entries(report.phaseMs).map(([phase, milliseconds]) => `${phase} ${milliseconds.toFixed(1)} ms`)
  printFact(`phases: ${phases.join(", ")}`)
  printFact(`the store was ${wasSealed ? "closed in order" : "not closed in order"}; the log ends: ${tail}`)
  printFact(`torn tail: ${cutBytes === 0 ? "none, nothing was cut" : `cut, ${formatCount(cutBytes)} bytes`}`)
  for (const warning of warnings) printFact(`warning: ${warning}`)
}

export function printComparison(cityCount: number, orrery: Result, plainMap: Result): void {
  const row = (label: string, cell: (result: Result) => string): void => {
    printFact(label.padEnd(40) + cell(orrery).padStart(16) + cell(plainMap).padStart(20))
  }
  const aSecond = (milliseconds: number): string => formatCount(cityCount / (milliseconds / 1000))
  const aCity = (bytes: number): string => formatCount(bytes / cityCount)
  printFact(styleText("bold", "".padEnd(40) + "orrery-db".padStart(16) + "Map + JSON lines".padStart(20)))
  row("durability of an acknowledged put", (result) => (result === orrery ? "synced" : "not synced"))
  row("puts/s", ({ putMs }) => aSecond(putMs))
  row("gets/s, random order", ({ getMs }) => aSecond(getMs))
  row("memory, bytes a city", ({ memoryBytes }) => aCity(memoryBytes))
  row("  of these tables outside the heap", ({ tableBytes }) => aCity(tableBytes))
  row("log, bytes a city", ({ logBytes }) => aCity(logBytes))
  row("disk space after closing, MiB", ({ diskBytes }) => (diskBytes / 2 ** 20).toFixed(1))
  row("recovery in a fresh process, ms", ({ coldRecoveryMs }) => coldRecoveryMs.toFixed(0))
  row("  once more in the same process, ms", ({ warmRecoveryMs }) => warmRecoveryMs.toFixed(0))
  console.log("")
  printFact(`synced:     ${IN_FLIGHT_COUNT_MAX} puts in flight, each acknowledged after its sync; survives power loss`)
  printFact(
    `not synced: ${IN_FLIGHT_COUNT_MAX} lines a write, one sync at the very end; not durable against power loss`,
  )
  printFact("a get of the Map gives the object itself, a get of the store makes a new one from its bytes")
  printFact("same objects in the same order, each side in processes of its own; gets: median of 3 rounds")
}

export function describeMachine(): string {
  const processors = cpus()
  return `Node ${process.version}, ${process.platform} ${process.arch}, ${processors.length} x ${processors[0]?.model ?? "?"}`
}

export function formatCount(count: number): string {
  return Math.round(count).toLocaleString("en")
}
