// What all commands share: how a command is made from its name, its parameters and a function that does the work, and
// how the work ends. Guarantees: whatever the function throws becomes one line and a remedy on standard error, and the
// exit code that docs/operations.md gives it; nothing is thrown past here.

import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as GlobalFlag from "effect/cli/GlobalFlag"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { CommandFailure, EXIT_GOOD, OutputClosed, reportOf } from "./failure.ts"
import { isSystemTable } from "../model/system-tables.ts"
import { Output } from "./output.ts"

/** The service that says whether `--json` was given. */
type JsonSetting = GlobalFlag.Setting.Identifier<"json">

/** A command whose parameters nobody outside of it needs to know. It cannot fail: what fails is told and counted. */
export type AnyCommand = Command.Command<string, never, object, never, JsonSetting>

/** Does a command's work. Returns the exit code where it is not 0. */
export type Work<Input> = (input: Input, output: Output) => Promise<number | undefined>

/** Understood by every command. */
export const jsonFlag: GlobalFlag.Setting<"json", boolean> = GlobalFlag.Setting("json")({
  flag: switchFlag("json", "Print JSON: one document, or one a line where there are many"),
})

/** The name of a parameter with its kind, for the parameters that several commands take. */
export const directoryArgument: Argument.Argument<string> = textArgument("dir", "The store's directory")
export const tableArgument: Argument.Argument<string> = textArgument("table", "The table")
export const keyArgument: Argument.Argument<string> = textArgument("key", "The key")

export function textArgument(name: string, description: string): Argument.Argument<string> {
  return Argument.String(name).pipe(Argument.withDescription(description))
}

/** Off unless given. */
export function switchFlag(name: string, description: string): Flag.Flag<boolean> {
  return Flag.Boolean(name).pipe(Flag.withDefault(false), Flag.withoutNegation, Flag.withDescription(description))
}

/** A text that may be left out. */
export function textFlag(name: string, metavar: string, description: string): Flag.Flag<string | undefined> {
  return optionalFlag(Flag.String(name), metavar, description)
}

/** A whole number, not below `least`, that may be left out. */
export function countFlag(
  name: string,
  metavar: string,
  description: string,
  least: number,
): Flag.Flag<number | undefined> {
  const isCount = (value: number): boolean => Number.isSafeInteger(value) && value >= least
  const flag = Flag.Int(name).pipe(Flag.filter(isCount, (value) => `${value} is not a whole number from ${least} on`))
  return optionalFlag(flag, metavar, description)
}

function optionalFlag<Value>(
  flag: Flag.Flag<Value>,
  metavar: string,
  description: string,
): Flag.Flag<Value | undefined> {
  return flag.pipe(
    Flag.withMetavar(metavar),
    Flag.withDescription(description),
    Flag.optional,
    Flag.map((value) => Option.getOrUndefined(value)),
  )
}

/** Makes a command. */
export function command<const Config extends Command.Command.Config>(
  name: string,
  description: string,
  parameters: Config,
  work: Work<Command.Command.Config.Infer<Config>>,
  examples: readonly Command.Command.Example[] = [],
): AnyCommand {
  const handler = (input: Command.Command.Config.Infer<Config>): Effect.Effect<void, never, JsonSetting> =>
    Effect.gen(function* () {
      const isJson = yield* jsonFlag
      yield* Effect.promise(() => finish(input, new Output(isJson), work))
    })
  return Command.make(name, parameters, handler).pipe(
    Command.withDescription(description),
    Command.withExamples(examples),
  )
}

async function finish<Input>(input: Input, output: Output, work: Work<Input>): Promise<void> {
  try {
    const exitCode = await work(input, output)
    await output.flush()
    process.exitCode = exitCode ?? EXIT_GOOD
  } catch (error) {
    process.exitCode = await exitCodeOf(error, output)
  }
}

async function exitCodeOf(error: unknown, output: Output): Promise<number> {
  if (error instanceof OutputClosed) return EXIT_GOOD
  // What was found before the failure is still worth reading.
  await output.flush().catch(() => undefined)
  const report = reportOf(error)
  output.failure(report)
  return report.exitCode
}

/** The table's name, checked before a store is opened for it. Fails with: CommandFailure. */
export function checkTable(name: string): void {
  if (isSystemTable(name)) {
    throw new CommandFailure(
      "USAGE",
      `the table ${JSON.stringify(name)} is the engine's own`,
      "Give the name of another",
      2,
    )
  }
  if (name !== "" && name.isWellFormed()) return
  throw new CommandFailure("USAGE", "the table's name is empty or not well-formed", "Give the name of a table", 2)
}
