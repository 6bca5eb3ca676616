// What a long test did, in numbers: printed, and added as a line of JSON to the file that ORRERY_FIGURES names, from which
// scripts/test-deep.ts adds up the figures of many runs.

import { appendFileSync } from "node:fs"

/** One line of the file. */
export interface Figures {
  /** What is counted: "crash states", "kill -9 cycles". */
  readonly what: string
  readonly seed: number
  /** The first is what the speed is told of. All may be added up over runs. */
  readonly counts: Readonly<Record<string, number>>
  readonly seconds: number
  /** Of this process, on all cores. */
  readonly cpuSeconds: number
}

/** Begins to measure. What it returns tells what was counted since. */
export function measureFigures(what: string, seed: number): (counts: Readonly<Record<string, number>>) => void {
  const startMs = performance.now()
  const startCpu = process.cpuUsage()
  return (counts) => {
    const seconds = (performance.now() - startMs) / 1000
    const cpu = process.cpuUsage(startCpu)
    const cpuSeconds = (cpu.user + cpu.system) / 1e6
    const [first = 0] = Object.values(counts)
    const told = Object.entries(counts).map(([name, count]) => `${count} ${name}`)
    console.log(
      `${what}: ${told.join(", ")}; ${seconds.toFixed(1)} s, ${(first / seconds).toFixed(1)} a second, ` +
        `${(first / cpuSeconds).toFixed(1)} a CPU second, ORRERY_SEED=${seed}`,
    )
    const file = process.env["ORRERY_FIGURES"] ?? ""
    const figures: Figures = { what, seed, counts, seconds, cpuSeconds }
    if (file !== "") appendFileSync(file, `${JSON.stringify(figures)}\n`)
  }
}
