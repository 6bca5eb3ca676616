// Each rule by itself: where it begins, where it ends, and what is told in between.

import { describe, expect, test } from "vitest"
import { ALERT_DEFAULTS, ALERT_RULES, AlertBoard } from "../../src/actors/alert-rules.ts"
import type { Alert, AlertReadings, AlertRule, AlertThresholds } from "../../src/actors/alert-rules.ts"

/** A store that nothing is wrong with. */
const WELL: AlertReadings = {
  overdueLogBytes: 0,
  redundancy: 0,
  diskFreeShare: 0.9,
  flushLatencyMs: 1,
  eventLoopMs: 1,
  restarts: 0,
  checkpointFailures: 0,
  inDoubtMs: 0,
  failedConsumers: 0,
  isReadOnly: false,
}

/** What a board tells, reading by reading: "warning", "critical", "cleared", or "" for nothing. */
function told(readings: readonly Partial<AlertReadings>[], thresholds: Partial<AlertThresholds> = {}): string[] {
  const board = new AlertBoard({ ...ALERT_DEFAULTS, ...thresholds })
  return readings.map((reading, index) =>
    board
      .evaluate({ ...WELL, ...reading }, index)
      .map(({ kind, alert }) => `${alert.rule} ${kind === "alert-raised" ? alert.severity : "cleared"}`)
      .join(", "),
  )
}

test("a store that nothing is wrong with raises nothing", () => {
  expect(told([WELL, WELL])).toEqual(["", ""])
})

interface Case {
  readonly rule: AlertRule
  /** Just not enough, enough, just not cleared, cleared. */
  readonly readings: readonly [
    Partial<AlertReadings>,
    Partial<AlertReadings>,
    Partial<AlertReadings>,
    Partial<AlertReadings>,
  ]
  readonly severity: "warning" | "critical"
}

const log = (overdueLogBytes: number): Partial<AlertReadings> => ({ overdueLogBytes })
const disk = (diskFreeShare: number): Partial<AlertReadings> => ({ diskFreeShare })
const dead = (redundancy: number): Partial<AlertReadings> => ({ redundancy, overdueLogBytes: 10_000_000 })
const flush = (flushLatencyMs: number): Partial<AlertReadings> => ({ flushLatencyMs })
const loop = (eventLoopMs: number): Partial<AlertReadings> => ({ eventLoopMs })
const restarts = (count: number): Partial<AlertReadings> => ({ restarts: count })
const failures = (checkpointFailures: number): Partial<AlertReadings> => ({ checkpointFailures })
const doubt = (inDoubtMs: number): Partial<AlertReadings> => ({ inDoubtMs })
const stuck = (failedConsumers: number): Partial<AlertReadings> => ({ failedConsumers })
const readOnly = (isReadOnly: boolean): Partial<AlertReadings> => ({ isReadOnly })

const CASES: readonly Case[] = [
  { rule: "log", severity: "warning", readings: [log(9_999_999), log(10_000_000), log(8_000_000), log(7_999_999)] },
  { rule: "disk", severity: "warning", readings: [disk(0.1), disk(0.0999), disk(0.1249), disk(0.125)] },
  { rule: "flush-latency", severity: "warning", readings: [flush(99.9), flush(100), flush(80), flush(79.9)] },
  { rule: "event-loop", severity: "warning", readings: [loop(199.9), loop(200), loop(160), loop(159.9)] },
  { rule: "actors", severity: "warning", readings: [restarts(3), restarts(4), restarts(4), restarts(3)] },
  {
    rule: "in-doubt",
    severity: "warning",
    readings: [{ inDoubtMs: 59_999 }, { inDoubtMs: 60_000 }, { inDoubtMs: 48_000 }, { inDoubtMs: 47_999 }],
  },
  { rule: "checkpoints", severity: "critical", readings: [failures(2), failures(3), failures(4), failures(0)] },
  { rule: "in-doubt", severity: "warning", readings: [doubt(59_999), doubt(60_000), doubt(48_000), doubt(47_999)] },
  { rule: "consumers", severity: "warning", readings: [stuck(0), stuck(1), stuck(1), stuck(0)] },
  { rule: "read-only", severity: "critical", readings: [readOnly(false), readOnly(true), readOnly(true), WELL] },
]

describe("the rule", () => {
  test.each(CASES)(
    "$rule is raised when its threshold is reached, stands until well below it, and is told once",
    ({ rule, readings: [before, reached, standing, below], severity }) => {
      expect(told([before, reached, reached, standing, below, below])).toEqual([
        "",
        `${rule} ${severity}`,
        "",
        "",
        `${rule} cleared`,
        "",
      ])
    },
  )

  test("redundancy is raised only where a checkpoint is overdue", () => {
    expect(told([{ redundancy: 0.9 }, dead(0.49), dead(0.5), dead(0.4), { redundancy: 0.9 }])).toEqual([
      "",
      "log warning",
      "redundancy warning",
      "",
      "log cleared, redundancy cleared",
    ])
  })

  test("of the table have a name each, which is told of", () => {
    expect(new Set(ALERT_RULES)).toEqual(new Set([...CASES.map(({ rule }) => rule), "redundancy"]))
  })
})

describe("an alert with two severities", () => {
  test("is told again when it gets worse and when it gets better", () => {
    const levels = [log(10e6), log(49e6), log(50e6), log(40e6), log(39e6), log(50e6), log(0)]
    expect(told(levels)).toEqual(["log warning", "", "log critical", "", "log warning", "log critical", "log cleared"])
  })

  test("may begin critical, and end as a warning that has not cleared", () => {
    expect(told([disk(0.01), disk(0.037), disk(0.038), disk(0.12), disk(0.126)])).toEqual([
      "disk critical",
      "",
      "disk warning",
      "",
      "disk cleared",
    ])
  })

  test("does not go from critical to nothing while its warning still stands", () => {
    expect(told([log(50e6), log(9e6), log(7e6)])).toEqual(["log critical", "log warning", "log cleared"])
  })
})

describe("the board", () => {
  test("keeps what stands with its newest value, since when it was raised", () => {
    const board = new AlertBoard(ALERT_DEFAULTS)
    board.evaluate({ ...WELL, ...log(12e6), ...readOnly(true) }, 1_000)
    board.evaluate({ ...WELL, ...log(60_400_000), ...readOnly(true) }, 2_000)
    expect(board.standing.map(({ rule }) => rule)).toEqual(["log", "read-only"])
    expect(board.standing[0]).toEqual<Alert>({
      rule: "log",
      severity: "critical",
      summary: "60.4 MB of log are overdue for a checkpoint, and the next recovery will read them",
      value: 60_400_000,
      threshold: 50_000_000,
      unit: "bytes",
      remedy: expect.any(String),
      sinceMs: 1_000,
    })
    expect(board.evaluate(WELL, 3_000)).toMatchObject([
      { kind: "alert-cleared", alert: { rule: "log", value: 0, sinceMs: 1_000, severity: "critical" } },
      { kind: "alert-cleared", alert: { rule: "read-only" } },
    ])
    expect(board.standing).toEqual([])
  })

  test("says of every alert what was found, and what to do, in a sentence", () => {
    const board = new AlertBoard(ALERT_DEFAULTS)
    const changes = board.evaluate(
      {
        overdueLogBytes: 60e6,
        redundancy: 0.75,
        diskFreeShare: 0.05,
        flushLatencyMs: 250,
        eventLoopMs: 1234.5,
        restarts: 7,
        checkpointFailures: 5,
        inDoubtMs: 61_500,
        failedConsumers: 2,
        isReadOnly: true,
      },
      0,
    )
    expect(changes.map(({ alert }) => alert.rule)).toEqual(ALERT_RULES)
    const summaries = changes.map(({ alert }) => alert.summary).join("; ")
    for (const part of [
      "60.0 MB",
      "75.0 %",
      "5.0 %",
      "250 ms",
      "1235 ms",
      "7 times",
      "5 checkpoints",
      "61500 ms",
      "2 of the",
    ]) {
      expect(summaries).toContain(part)
    }
    for (const { alert } of changes) expect(alert.remedy).toMatch(/^[A-Z].{20,}[^.]$/)
  })

  test("changes nothing by what is not known", () => {
    const unknown = Object.fromEntries(Object.keys(WELL).map((name) => [name, undefined]))
    expect(told([unknown, log(10e6), unknown, log(10e6)])).toEqual(["", "log warning", "", ""])
  })

  test("raises nothing without thresholds", () => {
    const board = new AlertBoard(undefined)
    expect(board.evaluate({ ...WELL, ...log(1e12), ...readOnly(true) }, 0)).toEqual([])
    expect(board.standing).toEqual([])
  })

  test("never raises a rule whose threshold cannot be reached", () => {
    const readings = [{ ...disk(0), ...dead(0.99), overdueLogBytes: 9e12, flushLatencyMs: 1e9, eventLoopMs: 1e9 }]
    const never = Number.MAX_SAFE_INTEGER
    const thresholds = {
      logWarningBytes: never,
      logCriticalBytes: never,
      redundancy: 1,
      diskFreeShare: 0,
      diskCriticalShare: 0,
      flushLatencyMs: never,
      eventLoopMs: never,
    }
    expect(told(readings, thresholds)).toEqual([""])
  })
})
