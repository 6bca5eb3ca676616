// What happened to a store, from its audit log: for people in columns, for programs as it is written. Reads the file
// alone, without the lock.

import { CannotOpen } from "../model/errors.ts"
import { nodePlatform } from "../platform/node/node-platform.ts"
import { readAudit } from "../recovery/audit-file.ts"
import type { AuditEntry } from "../recovery/audit-file.ts"
import { examine } from "../recovery/examine-directory.ts"
import { command, countFlag, directoryArgument } from "./action.ts"
import type { AnyCommand } from "./action.ts"
import { countOf } from "./progress.ts"

export const auditCommand: AnyCommand = command(
  "audit",
  "Prints what happened to the store, and who had it; without the lock",
  { dir: directoryArgument, limit: countFlag("limit", "n", "Only the last so many entries", 1) },
  async ({ dir, limit }, output) => {
    if ((await examine(nodePlatform, dir)) === "absent")
      throw new CannotOpen(dir, "there is nothing", "Check the path of the store")
    const { entries, brokenLines } = await readAudit(nodePlatform.fileSystem, dir)
    const wanted = limit === undefined ? entries : entries.slice(-limit)
    for (const entry of wanted) await (output.isJson ? output.document(entry) : output.line(entryText(entry)))
    if (!output.isJson && entries.length === 0) await output.line("the store has no audit log")
    if (!output.isJson && brokenLines > 0) await output.line(`${countOf(brokenLines, "line")} cannot be read`)
    return undefined
  },
  [{ command: "orrery audit ./data --limit 20", description: "The last twenty entries" }],
)

function entryText({ time, kind, owner, ...facts }: AuditEntry): string {
  const told = Object.entries(facts).map(([name, fact]) => `${name} ${textOf(fact)}`)
  return printable(`${time}  ${kind.padEnd(17)}  ${owner}  ${told.join(", ")}`.trimEnd())
}

function textOf(fact: unknown): string {
  return Array.isArray(fact) ? fact.join("; ") : String(fact)
}

/** The file is text that anybody may have written: nothing in it reaches the terminal as a command. */
function printable(text: string): string {
  return text.replaceAll(/\p{Cc}/gu, "?")
}
