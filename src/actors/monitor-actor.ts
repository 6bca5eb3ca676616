// The actor that watches over the store: once a second it reads the counters that are there anyway, and tells of alerts
// that are raised or cleared. Never once a record or a batch; never makes the process stay. Alerts that stand outlive its
// lives: nothing is told twice because it crashed.
//
// Delays are judged over ten seconds, and the disk is looked at as often: in one second there are fifty measurements of
// the event loop and perhaps one flush, and the worst of those says little.

import { invariant } from "../model/invariant.ts"
import type { Timer } from "../platform/clock.ts"
import type { EventLoopDelay, EventLoopMeasurement } from "../platform/event-loop-meter.ts"
import { LatencyHistogram } from "../wal/latency-histogram.ts"
import { Actor } from "./actor.ts"
import { AlertBoard } from "./alert-rules.ts"
import type { Alert } from "./alert-rules.ts"
import type { CheckpointerActor } from "./checkpointer-actor.ts"
import type { EngineContext } from "./engine-context.ts"

const TICK_MS = 1000
/** Ticks between two looks at the disk, and two measurements of delays. */
const ROUND_TICKS = 10
const RESTARTS_WITHIN_MS = 60_000
const ON_TIME: EventLoopDelay = { p50Ms: 0, p99Ms: 0, maxMs: 0 }

export class MonitorActor extends Actor<"tick"> {
  readonly #engine: EngineContext
  readonly #checkpointer: CheckpointerActor
  readonly #board: AlertBoard
  #timer: Timer | undefined
  #ticks = 0
  #measurement: EventLoopMeasurement | undefined
  #eventLoop: EventLoopDelay | undefined
  /** What the log's own histogram had when the last round ended, and whose it was. */
  #flushes: { readonly of: LatencyHistogram; readonly before: LatencyHistogram } | undefined
  #flushLatencyMs: number | undefined
  /** The look at the disk that is under way. */
  #disk: Promise<void> | undefined
  #diskFreeShare: number | undefined
  /** Restarts of the last minute, oldest first. */
  #restarts: { readonly actor: string; readonly ms: number }[] = []

  constructor(engine: EngineContext, checkpointer: CheckpointerActor) {
    super({ name: "monitor", undelivered: "reject" })
    this.#engine = engine
    this.#checkpointer = checkpointer
    this.#board = new AlertBoard(engine.settings.alerts)
  }

  /** The alerts that stand. */
  get alerts(): readonly Alert[] {
    return this.#board.standing
  }

  /** How late the event loop was in the last round. */
  get eventLoop(): EventLoopDelay {
    return this.#eventLoop ?? ON_TIME
  }

  /** Looks at everything that can be looked at now, the disk too. Resolves to the alerts that stand then. */
  async look(): Promise<readonly Alert[]> {
    await this.#lookAtDisk()
    this.#evaluate()
    return this.alerts
  }

  noteRestart(actor: string): void {
    this.#restarts.push({ actor, ms: this.#engine.clock.monotonicMs() })
  }

  protected override receive(ticks: readonly "tick"[]): void {
    invariant(ticks.length === 1, "a tick is set when the one before is over")
    this.#ticks++
    if (this.#ticks % ROUND_TICKS === 1) void this.#lookAtDisk()
    if (this.#ticks % ROUND_TICKS === 0) this.#measure()
    // What is due and was only not looked at yet is not overdue.
    this.#checkpointer.look()
    this.#evaluate()
    this.#tickLater()
  }

  protected override start(): void {
    this.#measurement = this.#engine.settings.eventLoop.start()
    this.#tickLater()
  }

  protected override stop(): void {
    this.#timer?.cancel()
    this.#measurement?.stop()
  }

  #tickLater(): void {
    this.#timer = this.#engine.clock.after(TICK_MS, () => this.tell("tick"))
  }

  #evaluate(): void {
    const engine = this.#engine
    const overdueLogBytes = this.#checkpointer.overdueBytes()
    const readings = {
      overdueLogBytes,
      // Counting what is live takes longer than everything else here, and matters only then.
      redundancy: overdueLogBytes === 0 ? 0 : this.#checkpointer.redundancy(),
      diskFreeShare: this.#diskFreeShare,
      flushLatencyMs: this.#flushLatencyMs,
      eventLoopMs: this.#eventLoop?.p99Ms,
      restarts: this.#restartsOfAnActor(),
      checkpointFailures: this.#checkpointer.failuresInARow,
      inDoubtMs: engine.inDoubtMs(),
      failedConsumers: engine.consumers.failedCount,
      isReadOnly: engine.status.state === "read-only",
    }
    for (const change of this.#board.evaluate(readings, engine.clock.wallMs())) {
      engine.emit(change)
      const { rule, severity } = change.alert
      if (change.kind === "alert-raised" && rule === "log" && severity === "critical") this.#checkpointer.urge()
    }
  }

  #measure(): void {
    this.#eventLoop = this.#measurement?.take()
    const { commit } = this.#engine
    if (commit === undefined) return
    const { flushLatency } = commit
    // Another log has a histogram of its own.
    const before = this.#flushes?.of === flushLatency ? this.#flushes.before : new LatencyHistogram()
    this.#flushLatencyMs = flushLatency.since(before).quantileMs(0.99)
    this.#flushes = { of: flushLatency, before: flushLatency.copy() }
  }

  /** Never fails: a disk that does not even say how full it is is met by whoever writes to it. */
  #lookAtDisk(): Promise<void> {
    const { fileSystem, path } = this.#engine.settings.directory
    this.#disk ??= Promise.all([fileSystem.freeBytes(path), fileSystem.totalBytes(path)])
      .then(
        ([free, total]) => (free === undefined || total === undefined || total === 0 ? undefined : free / total),
        () => undefined,
      )
      .then((share) => {
        this.#diskFreeShare = share
        this.#disk = undefined
      })
    return this.#disk
  }

  /** The most that one actor was restarted within the last minute. */
  #restartsOfAnActor(): number {
    const sinceMs = this.#engine.clock.monotonicMs() - RESTARTS_WITHIN_MS
    this.#restarts = this.#restarts.filter(({ ms }) => ms > sinceMs)
    if (this.#restarts.length === 0) return 0
    const counts = Map.groupBy(this.#restarts, ({ actor }) => actor)
    return Math.max(0, ...[...counts.values()].map(({ length }) => length))
  }
}
