// Metadata, as users hold it: what is read and written, as sampled batches beside the data path.

import type { MetadataActor } from "../actors/metadata-actor.ts"
import type { AccessBatch, WriteBatch } from "../streams/metadata-batch.ts"
import type { MetadataFlow } from "../streams/metadata-flow.ts"
import type { Pipeline } from "../streams/pipeline.ts"
import type { EventStream } from "../streams/event-observable.ts"

export class Metadata {
  /**
   * Samples of reads and writes: one access of 64 on average, in batches every 100 ms. RxJS Observables complete when the
   * store is closed; a subscriber that throws ends its subscription with that as its error.
   */
  readonly accesses: EventStream<AccessBatch>
  /** All that is written into the log, as sums by table and shard; in batches likewise. */
  readonly writes: EventStream<WriteBatch>
  readonly #actor: MetadataActor

  /** Made by `store.metadata()`. */
  constructor(flow: MetadataFlow, actor: MetadataActor) {
    this.accesses = flow.accesses
    this.writes = flow.writes
    this.#actor = actor
  }

  /**
   * Runs a pipeline under supervision: where one of its operators, or `onResult`, throws, it is built and begun anew after
   * 100 ms, 200 ms, … 10 s; with the eleventh failure within a minute it is given up. Nothing else is disturbed by that.
   * Throws a TypeError for wrong arguments, and beyond 100 pipelines.
   *
   * ```ts
   * store.metadata().run("hot keys", ({ accesses }) => accesses.pipe(hottestKeys()), (keys) => console.table(keys))
   * ```
   */
  run<Result>(
    name: string,
    build: (metadata: Metadata) => EventStream<Result>,
    onResult: (result: Result) => void,
  ): Pipeline {
    if (typeof name !== "string" || name === "")
      throw new TypeError("a pipeline's name must be a string that is not empty")
    if (typeof build !== "function" || typeof onResult !== "function") {
      throw new TypeError("run takes a function that builds the pipeline, and one that takes its results")
    }
    // What the pipeline gives is what the function takes: the pair is the user's.
    return this.#actor.run(name, () => build(this), onResult as (result: unknown) => void)
  }
}
