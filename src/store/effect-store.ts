// The store for programs that are written with Effect: opened in a scope, its commits as a Stream. Errors of the store are
// in the error channel, tagged, for `catchTag`; wrong arguments and defects are defects there as well.
//
// One Effect value for all commits that are at hand, not one a commit: the stream pulls as the program consumes.

import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { Change, Commit } from "../model/change.ts"
import { OrreryError } from "../model/errors.ts"
import type { ChangeStream } from "../streams/change-stream.ts"
import type { ChangesOptions, TableChangesOptions } from "../streams/changes-options.ts"
import { open } from "./open.ts"
import type { OpenOptions } from "./options.ts"
import type { Store } from "./store.ts"

/**
 * Opens a store for as long as the scope lasts: closing the scope closes it, whatever ended it. What closing fails with
 * is a defect.
 *
 * ```ts
 * const program = Effect.gen(function* () {
 *   const store = yield* openScoped("./data")
 *   const users = store.table<User>("users")
 *   yield* Stream.runForEach(changesOf(users, { after: "beginning" }), (commit) => Effect.log(commit.lsn))
 * }).pipe(Effect.scoped)
 * ```
 */
export function openScoped(path: string, options?: OpenOptions): Effect.Effect<Store, OrreryError, Scope.Scope> {
  const opened = Effect.tryPromise({ try: () => open(path, options), catch: identity })
  return Effect.acquireRelease(orDieOfDefects(opened), (store) => Effect.promise(() => store.close()))
}

/** What Effect takes for one step of a stream; a batch is never empty. */
type Chunk<Value> = readonly [Value, ...Value[]]

/** What has changes: a store or a table. */
export interface ChangesOwner<Value, Options> {
  changes(options?: Options): ChangeStream<Value>
}

/**
 * The commits of a store or a table, as `changes` gives them: each run of the stream subscribes anew, from `after`, and
 * ends its subscription when it ends. It asks for commits when one is wanted, and passes on what is at hand as one chunk:
 * the program sets the pace.
 */
export function changesOf<Value, Options extends ChangesOptions | TableChangesOptions>(
  owner: ChangesOwner<Value, Options>,
  options?: Options,
): Stream.Stream<Commit<Value>, OrreryError> {
  const commits = Stream.suspend(() => {
    try {
      const batches = owner.changes(options).batches() as AsyncIterable<Chunk<Commit<Value>>>
      return Stream.flattenArray(Stream.fromAsyncIterable<Chunk<Commit<Value>>, unknown>(batches, identity))
    } catch (error) {
      return Stream.fail<unknown>(error)
    }
  })
  return commits.pipe(Stream.catch((error) => (error instanceof OrreryError ? Stream.fail(error) : Stream.die(error))))
}

/** Each change of each commit, in order. */
export function eachChange<Value, Failure, Needs>(
  commits: Stream.Stream<Commit<Value>, Failure, Needs>,
): Stream.Stream<Change<Value>, Failure, Needs> {
  // A state may be empty, and its piece with it; a chunk may not.
  const some = Stream.filter(commits, ({ changes }) => changes.length > 0)
  return Stream.mapArray(some, (chunk) => {
    const changes: readonly Change<Value>[] = chunk.flatMap((commit) => commit.changes)
    return changes as Chunk<Change<Value>>
  })
}

function orDieOfDefects<Result>(effect: Effect.Effect<Result, unknown>): Effect.Effect<Result, OrreryError> {
  return effect.pipe(Effect.catch((error) => (error instanceof OrreryError ? Effect.fail(error) : Effect.die(error))))
}

function identity(error: unknown): unknown {
  return error
}
