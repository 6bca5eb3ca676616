// Prepared transactions that wait for a decision which their coordinator owes them: in-doubt lists them, decide takes the
// decision by hand. Both need the lock: whoever has the store open decides.

import type { InDoubtTransaction } from "../store/prepared.ts"
import { command, directoryArgument, textArgument, textFlag } from "./action.ts"
import type { AnyCommand } from "./action.ts"
import { CommandFailure } from "./failure.ts"
import { toJsonForm } from "./json-form-writer.ts"
import { countOf } from "./progress.ts"
import { withStore } from "./store-session.ts"

/** A session of the tool tells of what is old by listing it; it never presumes anything. */
const QUIET = { prepared: { warnMs: 0 } } as const

const inDoubt = command(
  "in-doubt",
  "Lists the prepared transactions that wait for their decision, oldest first",
  { dir: directoryArgument },
  async ({ dir }, output) =>
    withStore(
      dir,
      async (store) => {
        const found = store.inDoubt()
        if (output.isJson) {
          await output.document({ inDoubt: found.map((entry) => ({ ...entry, data: toJsonForm(entry.data) })) })
          return undefined
        }
        for (const entry of found) await output.line(lineOf(entry))
        if (found.length === 0) await output.line("no transaction is in doubt")
        return undefined
      },
      QUIET,
    ),
)

const decide = command(
  "decide",
  "Commits or aborts a prepared transaction; ends when that is on stable storage",
  {
    dir: directoryArgument,
    id: textArgument("id", "The transaction, as in-doubt lists it"),
    decision: textArgument("decision", "commit or abort, as its coordinator has decided"),
    reason: textFlag("reason", "text", "Why it is aborted; kept with the outcome"),
  },
  async ({ dir, id, decision, reason }, output) => {
    if (decision !== "commit" && decision !== "abort") {
      const summary = `${JSON.stringify(decision)} is no decision`
      throw new CommandFailure("USAGE", summary, "Say commit, or abort", 2)
    }
    if (decision === "commit" && reason !== undefined) {
      throw new CommandFailure("USAGE", "only an abort has a reason", "Leave --reason out", 2)
    }
    return withStore(
      dir,
      async (store) => {
        const { lsn } = await (decision === "commit" ? store.commitPrepared(id) : store.abortPrepared(id, reason))
        const outcome = decision === "commit" ? "committed" : "aborted"
        if (output.isJson) await output.document({ id, outcome, lsn })
        else await output.line(`${outcome}, as commit ${lsn}`)
        return undefined
      },
      QUIET,
    )
  },
  [{ command: "orrery decide ./data transfer-7 commit", description: "What the coordinator's own store says" }],
)

export const preparedCommands: readonly AnyCommand[] = [inDoubt, decide]

function lineOf({ id, data, preparedAt, ageMs, operations, tables, lsn }: InDoubtTransaction): string {
  const since = new Date(preparedAt).toISOString()
  const age = `${Math.round(ageMs / 1000)} s`
  const text = data === undefined ? "" : `  ${JSON.stringify(toJsonForm(data))}`
  const what = `${countOf(operations, "key")} in ${tables.join(", ")}`
  return `${JSON.stringify(id)}  since ${since}, ${age}  ${what}  commit ${lsn}${text}`
}
