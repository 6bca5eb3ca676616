// The command line as a whole: the tree of commands, and the run of one. Built on effect's own command line, which brings
// the parsing, --help, --version, completions and suggestions; what it would ask of a platform is in
// effect-environment.ts. Exit codes: docs/operations.md.

import { readFileSync } from "node:fs"
import { join } from "node:path"
import * as Cause from "effect/Cause"
import * as CliConfig from "effect/cli/CliConfig"
import * as CliError from "effect/cli/CliError"
import * as CliOutput from "effect/cli/CliOutput"
import * as Command from "effect/cli/Command"
import * as GlobalFlag from "effect/cli/GlobalFlag"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import { jsonFlag } from "./action.ts"
import { auditCommand } from "./audit-command.ts"
import { backupCommands } from "./backup-commands.ts"
import { checkpointCommands } from "./checkpoint-commands.ts"
import { environment } from "./effect-environment.ts"
import { EXIT_GOOD, EXIT_USAGE, reportOf } from "./failure.ts"
import type { FailureReport } from "./failure.ts"
import { inspectCommand } from "./inspect-command.ts"
import { Output } from "./output.ts"
import { preparedCommands } from "./prepared-commands.ts"
import { merkleCommand } from "./merkle-command.ts"
import { recordCommands } from "./record-commands.ts"
import { statsCommand } from "./stats-command.ts"
import { streamCommands } from "./stream-commands.ts"
import { verifyCommands } from "./verify-commands.ts"

const tree = Command.make("orrery").pipe(
  Command.withDescription("Looks into an Orrery store, changes it, and takes care of it."),
  Command.withSubcommands([
    { group: "RECORDS", commands: recordCommands },
    { group: "STREAMS", commands: streamCommands },
    {
      group: "CARE",
      commands: [
        statsCommand,
        ...checkpointCommands,
        ...backupCommands,
        ...preparedCommands,
        ...verifyCommands,
        merkleCommand,
        inspectCommand,
        auditCommand,
      ],
    },
  ]),
  Command.withGlobalFlags([jsonFlag]),
)

// Without the wizard, which asks questions, and the level of a log that the tool does not write.
const settings = CliConfig.layer({ builtIns: [GlobalFlag.Help, GlobalFlag.Version, GlobalFlag.Completions] })

/** A wrong call gets one line and a remedy, not the whole help. */
const presenter = CliOutput.layerPresenter({
  present: (event) =>
    event._tag === "Help" && event.reason === "Implicit" ? Effect.void : CliOutput.defaultPresenter.present(event),
})

/** Runs the tool as it is installed. `folder`: where its door is; above it the package.json says the version. */
export async function runInstalled(folder: string, args: readonly string[]): Promise<void> {
  const { version } = JSON.parse(readFileSync(join(folder, "../package.json"), "utf8")) as { readonly version: string }
  await runCommandLine(args, version)
}

/** Runs the tool with the arguments behind its name, and sets the exit code of the process. */
async function runCommandLine(args: readonly string[], version: string): Promise<void> {
  const output = new Output(asksForJson(args))
  // Nothing to do is asked for: that is what help is for.
  const run = Command.runWith(tree, { version, renderErrors: false })(args.length === 0 ? ["--help"] : args)
  const exit = await Effect.runPromiseExit(run.pipe(Effect.provide(Layer.mergeAll(environment, settings, presenter))))
  if (Exit.isSuccess(exit)) process.exitCode ??= EXIT_GOOD
  else {
    const report = usageOf(Cause.squash(exit.cause))
    output.failure(report)
    process.exitCode = report.exitCode
  }
}

function usageOf(error: unknown): FailureReport {
  if (!CliError.isCliError(error)) return reportOf(error)
  const [path, errors] = error._tag === "ShowHelp" ? [error.commandPath, error.errors] : [["orrery"], [error]]
  const summary = errors.map(({ message }) => message.replaceAll(/\s*\n\s*/g, " ").replace(/\.$/, "")).join("; ")
  return {
    code: "USAGE",
    summary: summary === "" ? `${path.join(" ")} needs a command` : summary,
    remedy: `See: ${path.join(" ")} --help`,
    exitCode: EXIT_USAGE,
  }
}

/** For failures that come before the arguments are understood. */
function asksForJson(args: readonly string[]): boolean {
  const end = args.indexOf("--")
  return (end < 0 ? args : args.slice(0, end)).includes("--json")
}
