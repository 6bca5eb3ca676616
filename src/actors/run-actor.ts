// Puts an actor's lives under supervision: one Effect a life, none a message. Success is a normal end, failure a crash
// with the actor's own error, interruption an orderly stop that waits for the batch in hand and for `stop`.

import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import type { Actor } from "./actor.ts"
import type { Outside, Restart, Shutdown, WorkerSpecification } from "./child-specification.ts"

/** How a supervisor is to treat the actor; the defaults are those of a worker. */
export interface ActorChildOptions {
  readonly restart?: Restart
  readonly shutdown?: Shutdown
}

/** The child specification of an actor, with its name as id. */
export function actorChild<M>(actor: Actor<M>, options: ActorChildOptions = {}): WorkerSpecification {
  return { id: actor.name, ...options, run: (ready, outside) => runActor(actor, ready, outside) }
}

/** One life of the actor. */
export function runActor<M>(actor: Actor<M>, ready: () => void, outside: Outside): Effect.Effect<void, unknown> {
  return Effect.callback<void, unknown>((resume) => {
    const incarnation = actor.incarnate(ready)
    outside.onKill((reason) => incarnation.end({ kind: "crash", cause: reason }))
    outside.onAbandon((cause) => incarnation.abandon(cause))
    incarnation.onOver((failures) => resume(outcomeOf(failures)))
    return Effect.callback<void>((stopped) => {
      incarnation.onOver((failures) =>
        stopped(failures.length === 0 ? Effect.void : Effect.failCause(defectsOf(failures))),
      )
      incarnation.end({ kind: "stop" })
    })
  })
}

/** The first failure is the reason of a crash; what failed after it goes along as defects. */
function outcomeOf(failures: readonly unknown[]): Effect.Effect<void, unknown> {
  if (failures.length === 0) return Effect.void
  const [cause, ...others] = failures
  return Effect.failCause(Cause.combine(Cause.fail(cause), defectsOf(others)))
}

function defectsOf(failures: readonly unknown[]): Cause.Cause<never> {
  return Cause.fromReasons(failures.map((failure) => Cause.makeDieReason(failure)))
}
