// The actor that gives metadata out, and keeps the pipelines alive that take it. A tick every 100 ms while anybody subscribes,
// none otherwise. Subscribers may take a hundredth of the time: who takes longer gets batches less often, and what does not
// fit meanwhile is shed. While writes wait in line, samples are shed too: the store has better things to do.
//
// A pipeline that fails is begun anew, alone, after a while that doubles with each failure; with the eleventh within a minute
// it is given up. Must not keep the process alive, and does not end with any of its pipelines.

import { RESTART_COUNT_MAX, RESTART_WINDOW_MS } from "../model/limits.ts"
import { invariant, probe } from "../model/invariant.ts"
import type { Clock, Timer } from "../platform/clock.ts"
import type { MetadataFlow } from "../streams/metadata-flow.ts"
import { KeptPipeline } from "../streams/pipeline.ts"
import type { Pipeline, PipelineSource } from "../streams/pipeline.ts"
import { Actor } from "./actor.ts"
import { RestartIntensity } from "./restart-intensity.ts"

const TICK_MS = 100
/** The part of the time that subscribers may take. */
const BUSY_SHARE_MAX = 0.01
const RESTART_MS_FIRST = 100
const RESTART_MS_MAX = 10_000
/** Pipelines that are kept at most. */
const PIPELINE_COUNT_MAX = 100

export interface MetadataMetrics {
  /** Who gets batches at the moment. */
  readonly subscribers: number
  /** Accesses that were sampled, and samples that were dropped instead of being given out. */
  readonly sampled: number
  readonly shed: number
  /** Batches that were given out. */
  readonly batches: number
  /** Milliseconds that subscribers took. */
  readonly busyMs: number
  /** Times that a subscriber or a pipeline failed, and that a pipeline was begun anew. */
  readonly failures: number
  readonly restarts: number
}

/** What it needs of the engine. */
export interface MetadataEngine {
  readonly clock: Clock
  readonly metadata: MetadataFlow
  readonly admission: { readonly count: number }
}

interface Kept {
  readonly pipeline: KeptPipeline
  readonly intensity: RestartIntensity
  timer: Timer | undefined
}

export class MetadataActor extends Actor<never> {
  readonly #engine: MetadataEngine
  readonly #kept: Map<Pipeline, Kept> = new Map()
  #isUp = false
  #timer: Timer | undefined
  #failures = 0
  #restarts = 0

  constructor(engine: MetadataEngine) {
    super({ name: "metadata" })
    this.#engine = engine
    engine.metadata.onWanted = () => this.#tickIn(TICK_MS)
    engine.metadata.onEnded = () => this.#kept.forEach(({ pipeline }) => pipeline.stop())
  }

  /** Begins a pipeline, and keeps it alive. `build` is called with each of its lives. Throws a TypeError. */
  run(name: string, build: () => PipelineSource, onResult: (result: unknown) => void): Pipeline {
    this.#forgetStopped()
    if (this.#kept.size >= PIPELINE_COUNT_MAX) {
      throw new TypeError(`there are ${PIPELINE_COUNT_MAX} pipelines already: stop some`)
    }
    const pipeline = new KeptPipeline(name, build, onResult, (failed) => this.#onFailure(failed))
    const intensity = new RestartIntensity(RESTART_COUNT_MAX, RESTART_WINDOW_MS)
    this.#kept.set(pipeline, { pipeline, intensity, timer: undefined })
    if (this.#isUp) pipeline.begin()
    return pipeline
  }

  metrics(): MetadataMetrics {
    const { sampler, counters, subscriberCount } = this.#engine.metadata
    return {
      subscribers: subscriberCount,
      sampled: sampler.sampledCount,
      shed: sampler.shedCount,
      batches: counters.batches,
      busyMs: counters.busyMs,
      failures: counters.failures + this.#failures,
      restarts: this.#restarts,
    }
  }

  protected override receive(): void {
    invariant(false, "the metadata actor has no messages")
  }

  protected override start(): void {
    this.#isUp = true
    for (const { pipeline } of this.#kept.values()) pipeline.begin()
    this.#tickIn(TICK_MS)
  }

  protected override stop(): void {
    this.#isUp = false
    this.#timer?.cancel()
    this.#timer = undefined
    for (const { pipeline, timer } of this.#kept.values()) {
      timer?.cancel()
      pipeline.interrupt()
    }
  }

  #tickIn(delayMs: number): void {
    if (!this.#isUp || this.#timer !== undefined || !this.#engine.metadata.sampler.isOn) return
    this.#timer = this.#engine.clock.after(delayMs, () => {
      this.#timer = undefined
      this.#tickIn(this.#tick())
    })
  }

  /** Gives out what there is. Returns the milliseconds until the next time. */
  #tick(): number {
    const { metadata, admission } = this.#engine
    if (admission.count > 0) {
      probe("metadata is shed while writes wait in line")
      metadata.sampler.shed()
      return TICK_MS
    }
    return Math.max(TICK_MS, metadata.deliver() / BUSY_SHARE_MAX)
  }

  #onFailure(pipeline: KeptPipeline): void {
    this.#failures++
    const kept = this.#kept.get(pipeline)
    if (kept === undefined) return
    const { clock } = this.#engine
    if (!kept.intensity.allows(clock.monotonicMs())) {
      probe("a pipeline that fails again and again is given up")
      pipeline.stop()
      return
    }
    const delayMs = Math.min(RESTART_MS_MAX, RESTART_MS_FIRST * 2 ** Math.min(pipeline.failures - 1, 10))
    kept.timer = clock.after(delayMs, () => {
      if (!this.#isUp || pipeline.state !== "waiting") return
      this.#restarts++
      pipeline.begin()
    })
  }

  #forgetStopped(): void {
    for (const { pipeline } of this.#kept.values()) if (pipeline.state === "stopped") this.#kept.delete(pipeline)
  }
}
