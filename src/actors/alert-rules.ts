// What an operator is told of before it hurts: a table of rules, each with what it looks at and where it begins, and the
// board of the alerts that stand. Pure: readings go in, changes come out.
//
// An alert is raised when its value reaches the threshold, stands until the value is back below four fifths of it, and is
// told once when it is raised, once when its severity changes, and once when it is cleared. What is not known changes
// nothing.

export type AlertSeverity = "warning" | "critical"

export type AlertRule =
  | "log"
  | "redundancy"
  | "disk"
  | "flush-latency"
  | "event-loop"
  | "actors"
  | "checkpoints"
  | "in-doubt"
  | "consumers"
  | "read-only"

/** Something that wants an operator's attention. Data only. */
export interface Alert {
  readonly rule: AlertRule
  readonly severity: AlertSeverity
  /** One sentence. */
  readonly summary: string
  /** What was found, and where this severity begins, in `unit`. */
  readonly value: number
  readonly threshold: number
  readonly unit: "bytes" | "share" | "milliseconds" | "count"
  /** One sentence that says what to do. */
  readonly remedy: string
  /** Since when it stands, by the wall clock. */
  readonly sinceMs: number
}

/** Where alerts begin. */
export interface AlertThresholds {
  /** Bytes of log beyond what the checkpoint rules let gather. Defaults 10,000,000 and 50,000,000. */
  readonly logWarningBytes: number
  readonly logCriticalBytes: number
  /** Part of what recovery would read that is of no more use, where a checkpoint is overdue. Default 0.5; 1: never. */
  readonly redundancy: number
  /** Free part of the file system, of the bytes it has. Defaults 0.1 and 0.03; 0: never. */
  readonly diskFreeShare: number
  readonly diskCriticalShare: number
  /** The slowest in a hundred flushes of ten seconds. Default 100. */
  readonly flushLatencyMs: number
  /** By how much the event loop was late, in the worst of a hundred turns of ten seconds. Default 200. */
  readonly eventLoopMs: number
  /** Restarts of one actor within a minute. Default 4. */
  readonly restarts: number
  /** Checkpoints that failed in a row. Default 3. */
  readonly checkpointFailures: number
  /** How long a prepared transaction waits for its decision. Default: the option `prepared.warnMs`, 60,000. */
  readonly inDoubtMs: number
}

export const ALERT_DEFAULTS: AlertThresholds = {
  logWarningBytes: 10_000_000,
  logCriticalBytes: 50_000_000,
  redundancy: 0.5,
  diskFreeShare: 0.1,
  diskCriticalShare: 0.03,
  flushLatencyMs: 100,
  eventLoopMs: 200,
  restarts: 4,
  checkpointFailures: 3,
  inDoubtMs: 60_000,
}

/** What the rules look at. Undefined: not known at the moment. */
export interface AlertReadings {
  /** Bytes of log beyond what the checkpoint rules let gather. */
  readonly overdueLogBytes: number | undefined
  readonly redundancy: number | undefined
  readonly diskFreeShare: number | undefined
  readonly flushLatencyMs: number | undefined
  readonly eventLoopMs: number | undefined
  readonly restarts: number | undefined
  readonly checkpointFailures: number | undefined
  /** How long the oldest prepared transaction has waited. */
  readonly inDoubtMs: number | undefined
  readonly failedConsumers: number | undefined
  readonly isReadOnly: boolean | undefined
}

export interface AlertChange {
  readonly kind: "alert-raised" | "alert-cleared"
  readonly alert: Alert
}

interface Rule {
  readonly name: AlertRule
  readonly unit: Alert["unit"]
  /** The lower the value the worse. */
  readonly isLow?: boolean
  readonly read: (readings: AlertReadings, thresholds: AlertThresholds) => number | undefined
  /** Where each severity begins; one that is left out does not exist. */
  readonly warning?: (thresholds: AlertThresholds) => number
  readonly critical?: (thresholds: AlertThresholds) => number
  readonly summary: (value: number) => string
  readonly remedy: string
}

/** An alert stands until its value is back below this part of the threshold. */
const CLEARED_SHARE = 0.8

const RULES: readonly Rule[] = [
  {
    name: "log",
    unit: "bytes",
    read: ({ overdueLogBytes }) => overdueLogBytes,
    warning: ({ logWarningBytes }) => logWarningBytes,
    critical: ({ logCriticalBytes }) => logCriticalBytes,
    summary: (value) => `${megabytes(value)} of log are overdue for a checkpoint, and the next recovery will read them`,
    remedy: "Call checkpoint(), and see in the status, the events and the alerts why none was made",
  },
  {
    name: "redundancy",
    unit: "share",
    read: ({ overdueLogBytes, redundancy }, { logWarningBytes }) =>
      overdueLogBytes === undefined || overdueLogBytes >= logWarningBytes ? redundancy : 0,
    warning: (thresholds) => thresholds.redundancy,
    summary: (value) => `${percent(value)} of what the next recovery reads is of no more use`,
    remedy: "Call checkpoint(), which gives the room back",
  },
  {
    name: "disk",
    unit: "share",
    isLow: true,
    read: ({ diskFreeShare }) => diskFreeShare,
    warning: ({ diskFreeShare }) => diskFreeShare,
    critical: ({ diskCriticalShare }) => diskCriticalShare,
    summary: (value) => `${percent(value)} of the file system is free`,
    remedy: "Make room, or move the store to a larger file system; a full one makes the store read-only",
  },
  {
    name: "flush-latency",
    unit: "milliseconds",
    read: ({ flushLatencyMs }) => flushLatencyMs,
    warning: ({ flushLatencyMs }) => flushLatencyMs,
    summary: (value) => `one flush in a hundred takes ${milliseconds(value)} or longer`,
    remedy: "Look for what else uses the disk; a slow device makes every synced write slow",
  },
  {
    name: "event-loop",
    unit: "milliseconds",
    read: ({ eventLoopMs }) => eventLoopMs,
    warning: ({ eventLoopMs }) => eventLoopMs,
    summary: (value) => `one turn of the event loop in a hundred is late by ${milliseconds(value)} or more`,
    remedy: "Find the synchronous work of this process that takes so long, with a profiler for example",
  },
  {
    name: "actors",
    unit: "count",
    read: ({ restarts }) => restarts,
    warning: (thresholds) => thresholds.restarts,
    summary: (value) => `an actor was restarted ${value} times within a minute`,
    remedy: "See in the events which one, and why; a store whose actors crash on and on gives up",
  },
  {
    name: "checkpoints",
    unit: "count",
    read: ({ checkpointFailures }) => checkpointFailures,
    critical: (thresholds) => thresholds.checkpointFailures,
    summary: (value) => `${value} checkpoints in a row have failed: the log grows, and the next open takes longer`,
    remedy: "See the error in the event checkpoint-failed; nothing is lost as long as the log is whole",
  },
  {
    name: "in-doubt",
    unit: "milliseconds",
    read: ({ inDoubtMs }) => inDoubtMs,
    warning: (thresholds) => thresholds.inDoubtMs,
    summary: (value) => `a prepared transaction has waited ${milliseconds(value)} for its decision, and holds its keys`,
    remedy: "See which with inDoubt(), ask its coordinator, then call commitPrepared or abortPrepared",
  },
  {
    name: "consumers",
    unit: "count",
    read: ({ failedConsumers }) => failedConsumers,
    warning: () => 1,
    summary: (value) => `${value} of the consumers and views stand still`,
    remedy: "See in consumers() and views() which, and why; mend the cause, then resume it",
  },
  {
    name: "read-only",
    unit: "count",
    read: ({ isReadOnly }) => (isReadOnly === undefined ? undefined : Number(isReadOnly)),
    critical: () => 1,
    summary: () => "the store takes no writes, because the disk is full",
    remedy: "Make room; the store accepts writes again by itself",
  },
]

/** The names of all rules. */
export const ALERT_RULES: readonly AlertRule[] = RULES.map(({ name }) => name)

/** The alerts that stand. */
export class AlertBoard {
  readonly #thresholds: AlertThresholds | undefined
  readonly #standing: Map<AlertRule, Alert> = new Map()

  /** Without thresholds no alert is ever raised. */
  constructor(thresholds: AlertThresholds | undefined) {
    this.#thresholds = thresholds
  }

  /** Those that were raised and not cleared, with the values last found. */
  get standing(): readonly Alert[] {
    return [...this.#standing.values()]
  }

  /** Takes what was found at a time of the wall clock. Returns what changed by it, in the order of the rules. */
  evaluate(readings: AlertReadings, timeMs: number): AlertChange[] {
    const thresholds = this.#thresholds
    const changes: AlertChange[] = []
    if (thresholds === undefined) return changes
    for (const rule of RULES) {
      const change = this.#evaluate(rule, rule.read(readings, thresholds), thresholds, timeMs)
      if (change !== undefined) changes.push(change)
    }
    return changes
  }

  #evaluate(
    rule: Rule,
    value: number | undefined,
    thresholds: AlertThresholds,
    timeMs: number,
  ): AlertChange | undefined {
    if (value === undefined) return undefined
    const before = this.#standing.get(rule.name)
    for (const severity of ["critical", "warning"] as const) {
      const threshold = rule[severity]?.(thresholds)
      if (threshold === undefined) continue
      const stood = before !== undefined && (before.severity === severity || before.severity === "critical")
      if (!(stood ? stillStands(rule, value, threshold) : isReached(rule, value, threshold))) continue
      const alert: Alert = {
        rule: rule.name,
        severity,
        summary: rule.summary(value),
        value,
        threshold,
        unit: rule.unit,
        remedy: rule.remedy,
        sinceMs: before?.sinceMs ?? timeMs,
      }
      this.#standing.set(rule.name, alert)
      return before?.severity === severity ? undefined : { kind: "alert-raised", alert }
    }
    if (before === undefined) return undefined
    this.#standing.delete(rule.name)
    return { kind: "alert-cleared", alert: { ...before, value } }
  }
}

function isReached({ isLow }: Rule, value: number, threshold: number): boolean {
  return isLow === true ? value < threshold : value >= threshold
}

function stillStands({ isLow }: Rule, value: number, threshold: number): boolean {
  return isLow === true ? value < threshold / CLEARED_SHARE : value >= threshold * CLEARED_SHARE
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`
}

function milliseconds(ms: number): string {
  return `${ms.toFixed(0)} ms`
}
