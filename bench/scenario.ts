// What runs in a child process: one scenario, once, with one store. Here is what scenarios share: their input and their
// result, and the watching of pauses and memory.

import { monitorEventLoopDelay, PerformanceObserver } from "node:perf_hooks"
import type { PeerName } from "./peers/peer-list.ts"

export interface ScenarioInput {
  /** A directory that exists; empty unless an earlier scenario was to leave something. */
  readonly directory: string
  readonly peer: PeerName
  /** How the scenario goes about it, where it knows several ways. */
  readonly mode: string
  /** Records. */
  readonly count: number
  readonly callers: number
  /** Records that are put together. */
  readonly batch: number
  /** From 0. Every round has orders of its own. */
  readonly round: number
}

export interface Measured {
  /** By a name with its unit: putsPerSecond, p99Ms. */
  readonly numbers: Readonly<Record<string, number>>
  readonly texts?: Readonly<Record<string, string>>
}

export type Scenario = (input: ScenarioInput) => Promise<Measured>

export type Scenarios = Readonly<Record<string, Scenario>>

/** Throws where a store gave wrong answers: its figures would mean nothing. */
export function expectEqual(what: string, found: unknown, expected: unknown): void {
  if (found !== expected) throw new Error(`${what}: ${String(found)} was found where ${String(expected)} was expected`)
}

/** Watches the pauses of the garbage collector and of the event loop. */
export class PauseWatch {
  readonly #observer = new PerformanceObserver((list) => {
    for (const { duration } of list.getEntries()) this.#noteCollection(duration)
  })
  readonly #loop = monitorEventLoopDelay({ resolution: 1 })
  readonly #cpu = process.cpuUsage()
  readonly #thread = process.threadCpuUsage()
  #gcCount = 0
  #gcTotalMs = 0
  #gcMaxMs = 0

  constructor() {
    this.#observer.observe({ entryTypes: ["gc"] })
    this.#loop.enable()
  }

  /** What the main thread has used so far. */
  threadCpuMs(): number {
    const { user, system } = process.threadCpuUsage(this.#thread)
    return (user + system) / 1e3
  }

  /** Delays of the event loop hold the 1 ms of the timer that measures them. */
  async stop(): Promise<Record<string, number>> {
    const cpu = process.cpuUsage(this.#cpu)
    const threadCpuMs = this.threadCpuMs()
    this.#loop.disable()
    // The observer learns of collections in later turns.
    for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve))
    this.#observer.disconnect()
    return {
      gcCount: this.#gcCount,
      gcTotalMs: this.#gcTotalMs,
      gcMaxMs: this.#gcMaxMs,
      loopP99Ms: this.#loop.percentile(99) / 1e6,
      loopMaxMs: this.#loop.max / 1e6,
      cpuMs: (cpu.user + cpu.system) / 1e3,
      threadCpuMs,
    }
  }

  #noteCollection(durationMs: number): void {
    this.#gcCount++
    this.#gcTotalMs += durationMs
    if (durationMs > this.#gcMaxMs) this.#gcMaxMs = durationMs
  }
}

/** Bytes of the process in memory, after everything that can be collected was. */
export async function settledRssBytes(): Promise<number> {
  for (let turn = 0; turn < 3; turn++) {
    collectGarbage()
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  return process.memoryUsage.rss()
}

/** The most that the process ever had in memory. */
export function peakRssBytes(): number {
  return process.resourceUsage().maxRSS * 1024
}

function collectGarbage(): void {
  const { gc } = globalThis as { readonly gc?: () => void }
  if (gc === undefined) throw new Error("scenarios run under node --expose-gc")
  gc()
}
