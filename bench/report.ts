// What benchmarks say in the end: tables, and figures held against their targets; as text for a terminal, and as Markdown
// for docs/benchmarks.md. Nothing here measures.

import { medianOf, spread } from "./statistics.ts"

export interface Table {
  readonly header: readonly string[]
  readonly rows: readonly (readonly string[])[]
}

/** One number that has a target. */
export interface Figure {
  readonly what: string
  readonly target: string
  readonly value: string
  /** Undefined where it could not be measured. */
  readonly isReached: boolean | undefined
  /** How far it is: 1 is the target, more is better than that. Undefined also where that would mean nothing. */
  readonly share: number | undefined
}

export interface Report {
  readonly title: string
  /** Workload, sizes, rounds. */
  readonly setting: string
  readonly tables: readonly Table[]
  readonly figures: readonly Figure[]
  readonly notes: readonly string[]
  /** Output of a benchmark that stands for itself. */
  readonly output?: string
  /** Whether the whole run ends with 1 because of it. */
  readonly isFailed?: boolean
}

export interface Target {
  readonly atLeast?: number
  readonly atMost?: number
  readonly unit?: string
}

/** A figure from its values in the rounds: their median counts. */
export function figure(what: string, target: Target, values: readonly number[], digits: number = 2): Figure {
  const unit = target.unit ?? " x"
  const format = (value: number): string => value.toFixed(digits)
  const limit = target.atLeast ?? target.atMost ?? 0
  const sign = target.atLeast === undefined ? "≤" : "≥"
  const usable = values.filter((value) => Number.isFinite(value))
  const value = medianOf(usable)
  const share = target.atLeast === undefined ? limit / value : value / limit
  return {
    what,
    target: `${sign} ${limit}${unit}`,
    value: usable.length === 0 ? "not measured" : `${spread(usable, format)}${unit}`,
    isReached: usable.length === 0 ? undefined : target.atLeast === undefined ? value <= limit : value >= limit,
    share: usable.length > 0 && value > 0 ? share : undefined,
  }
}

export function asText(report: Report): string {
  const parts = [`\n${report.title}\n${"=".repeat(report.title.length)}\n${report.setting}`]
  for (const table of report.tables) parts.push(alignedLines(table).join("\n"))
  if (report.output !== undefined) parts.push(report.output.trimEnd())
  if (report.figures.length > 0) parts.push(alignedLines(tableOfFigures(report.figures)).join("\n"))
  for (const note of report.notes) parts.push(`- ${note}`)
  return parts.join("\n\n")
}

export function asMarkdown(report: Report): string {
  const parts = [`## ${report.title}`, report.setting]
  for (const table of report.tables) parts.push(markdownLines(table).join("\n"))
  if (report.output !== undefined) parts.push(`\`\`\`text\n${report.output.trimEnd()}\n\`\`\``)
  if (report.figures.length > 0) parts.push(markdownLines(tableOfFigures(report.figures)).join("\n"))
  if (report.notes.length > 0) parts.push(report.notes.map((note) => `- ${note}`).join("\n"))
  return parts.join("\n\n")
}

/** All figures of all reports: the table to look at first. */
export function summaryOf(reports: readonly Report[]): Report {
  return {
    title: "Figures and targets",
    setting: "Ratios are of runs in the same round; the median of the rounds counts, lowest and highest in brackets.",
    tables: [],
    figures: reports.flatMap((report) => report.figures),
    notes: [],
  }
}

export function formatRate(perSecond: number): string {
  if (!Number.isFinite(perSecond)) return "–"
  return perSecond >= 1e6 ? `${(perSecond / 1e6).toFixed(2)} M/s` : `${(perSecond / 1e3).toFixed(1)} k/s`
}

export function formatMs(ms: number): string {
  if (!Number.isFinite(ms)) return "–"
  return Math.abs(ms) < 1 ? `${(ms * 1000).toFixed(0)} µs` : `${ms.toFixed(ms < 10 ? 2 : 0)} ms`
}

export function formatMegabytes(bytes: number): string {
  return Number.isFinite(bytes) ? `${(bytes / 1e6).toFixed(0)} MB` : "–"
}

function tableOfFigures(figures: readonly Figure[]): Table {
  return {
    header: ["figure", "target", "here", "", "of the target"],
    rows: figures.map(({ what, target, value, isReached, share }) => [
      what,
      target,
      value,
      isReached === undefined ? "–" : isReached ? "reached" : "MISSED",
      share === undefined ? "–" : `${(share * 100).toFixed(0)} %`,
    ]),
  }
}

function alignedLines({ header, rows }: Table): string[] {
  const all = [header, ...rows]
  const widths = header.map((_, column) => Math.max(...all.map((cells) => (cells[column] ?? "").length)))
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join("  ")
      .trimEnd()
  return [line(header), widths.map((width) => "-".repeat(width)).join("  "), ...rows.map(line)]
}

function markdownLines({ header, rows }: Table): string[] {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`
  return [line(header), `|${header.map(() => "---|").join("")}`, ...rows.map(line)]
}
