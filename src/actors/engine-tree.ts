// The tree that keeps the actors of an engine alive.
//
//   store  rest_for_one, 10 restarts in 60 s
//   ├─ log  one_for_all, intensity 0: its failure is the store's, and everything behind it starts anew
//   │  ├─ recoverer
//   │  └─ wal-writer
//   ├─ shards  one_for_one
//   │  └─ shard-0 … shard-n
//   ├─ checkpointer
//   ├─ change-publisher
//   ├─ consumers
//   ├─ services  one_for_one
//   │  ├─ expiry
//   │  └─ metadata
//   ├─ merkle
//   └─ monitor

import type { Actor } from "./actor.ts"
import type { SupervisorSpecification } from "./child-specification.ts"
import type { ConsumersActor } from "./consumers-actor.ts"
import type { MonitorActor } from "./monitor-actor.ts"
import { actorChild } from "./run-actor.ts"

/** Who is in it. */
export interface EngineActors {
  readonly recoverer: Actor<never>
  readonly writer: Actor<never>
  readonly shards: readonly Actor<never>[]
  readonly checkpointer: Actor<never>
  readonly publisher: Actor<never>
  readonly consumers: ConsumersActor
  readonly expiry: Actor<never>
  readonly pipelines: Actor<never>
  readonly merkle: Actor<never>
  readonly monitor: MonitorActor
}

export function engineTree(actors: EngineActors): SupervisorSpecification {
  return {
    id: "store",
    type: "supervisor",
    strategy: "rest_for_one",
    children: [
      {
        id: "log",
        type: "supervisor",
        strategy: "one_for_all",
        intensity: 0,
        children: [
          actorChild(actors.recoverer, { shutdown: "infinity" }),
          actorChild(actors.writer, { shutdown: "infinity" }),
        ],
      },
      {
        id: "shards",
        type: "supervisor",
        strategy: "one_for_one",
        children: actors.shards.map((shard) => actorChild(shard)),
      },
      actorChild(actors.checkpointer),
      actorChild(actors.publisher),
      actorChild(actors.consumers),
      {
        id: "services",
        type: "supervisor",
        strategy: "one_for_one",
        children: [actorChild(actors.expiry), actorChild(actors.pipelines)],
      },
      actorChild(actors.merkle),
      actorChild(actors.monitor),
    ],
  }
}
