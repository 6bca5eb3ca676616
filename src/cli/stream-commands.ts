// What goes out of a store record by record, and how it is followed: dump and tail.

import { nodePlatform } from "../platform/node/node-platform.ts"
import type { Store } from "../store/store.ts"
import { checkTable, command, countFlag, directoryArgument, switchFlag, textFlag } from "./action.ts"
import type { AnyCommand } from "./action.ts"
import { deleteLine, expiringLine, putLine } from "./change-lines.ts"
import { CommandFailure } from "./failure.ts"
import { loadCommand } from "./load-command.ts"
import { followLog } from "./log-follower.ts"
import type { LoggedChange } from "./log-follower.ts"
import type { Output } from "./output.ts"
import { countOf, Progress } from "./progress.ts"
import { withStore } from "./store-session.ts"
import { toJsonForm } from "./json-form-writer.ts"

const dump = command(
  "dump",
  "Prints every record as a line of JSON, for load; with --from or --to, the changes in the log",
  {
    dir: directoryArgument,
    table: textFlag("table", "name", "Only this table"),
    from: countFlag("from", "lsn", "Changes from this commit on, instead of the records; without the lock", 0),
    to: countFlag("to", "lsn", "Changes up to this commit, it included", 0),
    withoutInDoubt: switchFlag("without-in-doubt", "Leaves out what transactions would write that are in doubt"),
  },
  async ({ dir, table, from, to, withoutInDoubt }, output) => {
    if (table !== undefined) checkTable(table)
    if (from === undefined && to === undefined) {
      return withStore(dir, async (store) => {
        if (!withoutInDoubt) refuseInDoubt(store, table)
        await dumpTables(store, table, output)
        return undefined
      })
    }
    const after = from === undefined ? undefined : Math.max(from - 1, 0)
    for await (const commit of followLog(nodePlatform, dir, { after, to, waits: false })) {
      for (const change of commit)
        if (table === undefined || change.table === table) await output.line(changeLine(change))
    }
    return undefined
  },
  [{ command: "orrery dump ./data > data.jsonl", description: "Every record of every table" }],
)

const tail = command(
  "tail",
  "Follows the changes as they are written, beside the process that has the store open; ends with Ctrl-C",
  {
    dir: directoryArgument,
    table: textFlag("table", "name", "Only this table"),
    prefix: textFlag("prefix", "text", "Only keys that begin with this"),
    after: countFlag("after", "lsn", "Begin behind this commit; 0 for the first. From now on if left out", 0),
    limit: countFlag("limit", "n", "End after so many changes", 1),
  },
  async ({ dir, table, prefix = "", after, limit = Number.POSITIVE_INFINITY }, output) => {
    const stop = new AbortController()
    const onSignal = (): void => stop.abort()
    process.once("SIGINT", onSignal).once("SIGTERM", onSignal)
    try {
      let left = limit
      for await (const commit of followLog(nodePlatform, dir, {
        after: after ?? "end",
        waits: true,
        signal: stop.signal,
      })) {
        for (const change of commit) {
          if ((table !== undefined && change.table !== table) || !change.key.startsWith(prefix)) continue
          await output.line(output.isJson ? changeLine(change) : changeText(change))
          if (--left === 0) return undefined
        }
        await output.flush()
      }
      return undefined
    } finally {
      process.off("SIGINT", onSignal).off("SIGTERM", onSignal)
    }
  },
  [
    {
      command: "orrery tail ./data --table users --after 0 --limit 10",
      description: "The first ten changes of a table",
    },
  ],
)

export const streamCommands: readonly AnyCommand[] = [dump, loadCommand, tail]

/** Lines are of what is committed: a transaction that waits for its decision would be lost on the way, without a word. */
function refuseInDoubt(store: Store, table: string | undefined): void {
  const ids = store
    .inDoubt()
    .filter(({ tables }) => table === undefined || tables.includes(table))
    .map(({ id }) => JSON.stringify(id))
  if (ids.length === 0) return
  const named = ids.length > 3 ? `${ids.slice(0, 3).join(", ")} and ${ids.length - 3} more` : ids.join(", ")
  const verb = ids.length === 1 ? "is" : "are"
  const summary = `${countOf(ids.length, "transaction")} ${verb} in doubt, which a dump cannot carry: ${named}`
  const remedy = "Decide them, see orrery in-doubt and orrery decide; or leave them out with --without-in-doubt"
  throw new CommandFailure("IN_DOUBT", summary, remedy)
}

async function dumpTables(store: Store, table: string | undefined, output: Output): Promise<void> {
  const names = store.tables()
  if (table !== undefined && !names.includes(table)) {
    const remedy = `The tables are: ${names.join(", ")}`
    throw new CommandFailure("NO_SUCH_TABLE", `there is no table ${JSON.stringify(table)}`, remedy)
  }
  const progress = new Progress("dump", nodePlatform.clock, process.stderr.isTTY && !process.stdout.isTTY)
  let count = 0
  let bytes = 0
  try {
    for (const name of table === undefined ? names : [table]) {
      const handle = store.table(name)
      for (const [key, value] of handle.entries()) {
        const expiresAt = handle.expiresAt(key)
        const line = expiresAt === undefined ? putLine(name, key, value) : expiringLine(name, key, value, expiresAt)
        bytes += line.length + 1
        progress.update(bytes, 0, countOf(++count, "record"))
        await output.line(line)
      }
    }
  } finally {
    progress.end()
  }
}

function changeLine({ lsn, timeMs, kind, table, key, value }: LoggedChange): string {
  const place = { lsn, timeMs }
  return kind === "put" ? putLine(table, key, value, place) : deleteLine(table, key, place)
}

function changeText({ lsn, timeMs, kind, table, key, value }: LoggedChange): string {
  const text = kind === "put" ? `  ${JSON.stringify(toJsonForm(value))}` : ""
  return `${lsn}  ${new Date(timeMs).toISOString()}  ${kind.padEnd(6)}  ${table}  ${JSON.stringify(key)}${text}`
}
