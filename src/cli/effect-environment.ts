// What effect's command line asks of a platform, at the least: nothing in the tool prompts, checks paths or starts
// programs by way of effect, so these services have nothing behind them. Output goes through effect's console, which is
// Node's. With more behind them, they would be a package more to install.

import type * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Path from "effect/Path"
import * as PlatformError from "effect/PlatformError"
import * as ChildProcessSpawner from "effect/process/ChildProcessSpawner"
import * as Sink from "effect/Sink"
import * as Stdio from "effect/Stdio"
import * as Stream from "effect/Stream"
import * as Terminal from "effect/Terminal"

const quit = Effect.fail(new Terminal.QuitError({}))

const terminal = Terminal.make({
  columns: Effect.sync(() => process.stdout.columns),
  rows: Effect.sync(() => process.stdout.rows),
  size: Effect.never,
  readInput: Effect.never,
  readLine: quit,
  display: (text) => Effect.sync(() => void process.stdout.write(text)),
})

const stdio = Stdio.make({
  args: Effect.succeed([]),
  stdout: () => Sink.drain,
  stderr: () => Sink.drain,
  stdin: Stream.empty,
})

const spawner = ChildProcessSpawner.make(() =>
  Effect.fail(
    PlatformError.systemError({
      _tag: "PermissionDenied",
      module: "ChildProcess",
      method: "spawn",
      description: "orrery starts no programs",
    }),
  ),
)

export const environment: Layer.Layer<Command.Environment> = Layer.mergeAll(
  FileSystem.layerNoop({}),
  Path.layer,
  Layer.succeed(Terminal.Terminal, terminal),
  Layer.succeed(Stdio.Stdio, stdio),
  Layer.succeed(ChildProcessSpawner.ChildProcessSpawner, spawner),
)
