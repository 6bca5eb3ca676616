// A bar on standard error that says how a long command gets on: share, rate, what is left. Only where standard error is a
// terminal; nothing is written anywhere else, so that logs and pipes stay clean.

import type { Clock } from "../platform/clock.ts"

const BAR_WIDTH = 24
/** Not more often than people can read. */
const REDRAW_MS = 100

export class Progress {
  readonly #clock: Clock
  readonly #label: string
  readonly #isShown: boolean
  readonly #startMs: number
  #drawnMs = Number.NEGATIVE_INFINITY
  #isDrawn = false

  constructor(label: string, clock: Clock, isShown: boolean = process.stderr.isTTY) {
    this.#label = label
    this.#clock = clock
    this.#isShown = isShown
    this.#startMs = clock.monotonicMs()
  }

  /** `totalBytes`: 0 where it is not known. `remark`: what else is counted. */
  update(doneBytes: number, totalBytes: number, remark = ""): void {
    if (!this.#isShown) return
    const nowMs = this.#clock.monotonicMs()
    if (nowMs - this.#drawnMs < REDRAW_MS) return
    this.#drawnMs = nowMs
    this.#isDrawn = true
    process.stderr.write(`\r\u001b[K${progressLine(this.#label, doneBytes, totalBytes, nowMs - this.#startMs, remark)}`)
  }

  /** Takes the bar away. */
  end(): void {
    if (this.#isDrawn) process.stderr.write("\r\u001b[K")
    this.#isDrawn = false
  }
}

/** The text of the bar. */
export function progressLine(
  label: string,
  doneBytes: number,
  totalBytes: number,
  elapsedMs: number,
  remark: string,
): string {
  const rate = elapsedMs > 0 ? (doneBytes / elapsedMs) * 1000 : 0
  const parts = [label]
  if (totalBytes > 0) {
    const share = Math.min(doneBytes / totalBytes, 1)
    const filled = Math.floor(share * BAR_WIDTH)
    parts.push(`[${"#".repeat(filled)}${".".repeat(BAR_WIDTH - filled)}]`, `${Math.floor(share * 100)}%`)
  }
  parts.push(sizeText(doneBytes), `${sizeText(rate)}/s`)
  if (remark !== "") parts.push(remark)
  if (totalBytes > 0 && rate > 0)
    parts.push(`${durationText((Math.max(totalBytes - doneBytes, 0) / rate) * 1000)} left`)
  return parts.join("  ")
}

/** Bytes for people: "512 B", "1.5 MiB". */
export function sizeText(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"]
  let value = bytes
  let unit = 0
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024
    unit++
  }
  return `${unit === 0 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`
}

/** A duration for people: "0.3 s", "2 min 05 s". */
export function durationText(ms: number): string {
  const seconds = ms / 1000
  if (seconds < 60) return `${seconds.toFixed(seconds < 10 ? 1 : 0)} s`
  const whole = Math.round(seconds)
  return `${Math.floor(whole / 60)} min ${String(whole % 60).padStart(2, "0")} s`
}

/** A count for people: "1,234". */
export function countText(count: number): string {
  return count.toLocaleString("en-US")
}

/** "1 record", "2 records". */
export function countOf(count: number, noun: string): string {
  return `${countText(count)} ${noun}${count === 1 ? "" : "s"}`
}
