// A failure in words: what is wrong, the history, the crash, what was lost, what came up beside what was allowed, and how
// to see it again.

import type { HistoryEntry } from "./crash-options.ts"
import type { CrashFailure } from "./crash-search.ts"
import { shownText } from "./plain-data.ts"

export interface FailurePlaces {
  readonly token: string
  /** Undefined where nothing was written. */
  readonly artifacts: string | undefined
  readonly regression: string | undefined
}

const OPERATION_LENGTH_MAX = 200
const CRASH_LINES_MAX = 24
const ALLOWED_SHOWN_MAX = 8

/** The message of a CrashFound. */
export function failureText<Op, Result>(failure: CrashFailure<Op, Result>, places: FailurePlaces): string {
  const { violation } = failure
  return [
    `${summaryOf(failure)}\n`,
    ...section(historyHeading(failure), violation.history.map(entryText)),
    ...violation.crashes.flatMap((crash, depth) => section(crashHeading(depth), shortened(crash.describe()))),
    ...afterwardsSection(violation.afterwards),
    ...(violation.view === undefined ? [] : section("recovered", shownText(violation.view.value).split("\n"))),
    ...allowedSection(violation.allowed),
    ...section("see it again", placesText(places)),
  ].join("\n")
}

function summaryOf<Op, Result>({ violation, seed }: CrashFailure<Op, Result>): string {
  const { during, reason } = violation
  const what = reason instanceof Error ? reason.message : shownText(reason)
  const where = { recovery: "recovery fails", check: "the check fails", close: "the recovered system does not close" }
  return `after a crash ${where[during]}: ${what} (seed ${seed})`
}

function historyHeading<Op, Result>(failure: CrashFailure<Op, Result>): string {
  const { ops, originalCount, historyNumber, shrinkRuns } = failure
  const shrunk = ops.length < originalCount ? `, shrunk from ${originalCount} in ${counted(shrinkRuns, "run")}` : ""
  return `history ${historyNumber}: ${counted(ops.length, "operation")}${shrunk}`
}

function entryText({ index, op, outcome, error }: HistoryEntry<unknown>): string {
  const text = shownText(op, OPERATION_LENGTH_MAX).replace(/\s*\n\s*/g, " ")
  const because = error === undefined ? "" : ` (${error instanceof Error ? error.message : shownText(error, 100)})`
  return `${index + 1}. ${text} ${outcome}${because}`
}

function crashHeading(depth: number): string {
  return depth === 0 ? "crash" : `crash in the recovery${" from that".repeat(depth - 1)}`
}

function shortened(text: string): readonly string[] {
  const lines = text.split("\n")
  if (lines.length <= CRASH_LINES_MAX) return lines
  return [...lines.slice(0, CRASH_LINES_MAX), `… and ${lines.length - CRASH_LINES_MAX} more`]
}

function afterwardsSection(afterwards: readonly number[] | undefined): readonly string[] {
  if (afterwards === undefined) return []
  const numbers = afterwards.map((index) => index + 1).join(", ")
  return section("afterwards", [
    `it recovered, and went on with operation${afterwards.length === 1 ? "" : "s"} ${numbers}`,
    "then the power failed again, and nothing that was not synced was kept",
  ])
}

function allowedSection(allowed: readonly unknown[] | undefined): readonly string[] {
  if (allowed === undefined) return []
  const shown = allowed.slice(0, ALLOWED_SHOWN_MAX).flatMap((state) => shownText(state).split("\n"))
  const rest = allowed.length - ALLOWED_SHOWN_MAX
  return section("allowed, one of", rest > 0 ? [...shown, `… and ${rest} more`] : shown)
}

function placesText(places: FailurePlaces): readonly string[] {
  return [
    ...(places.artifacts === undefined ? [] : [`disk image: ${places.artifacts}`]),
    ...(places.regression === undefined ? [] : [`regression test: ${places.regression}`]),
    "the same test with this in the environment:",
    `ORRERY_CRASH_REPLAY=${places.token}`,
    `or in code: await crash.replay("${places.token}", options)`,
  ]
}

function section(heading: string, lines: readonly string[]): readonly string[] {
  return [`  ${heading}`, ...lines.map((line) => `    ${line}`)]
}

function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`
}
