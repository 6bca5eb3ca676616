// One record at a time: tables, get, put, delete.

import { CommandFailure } from "./failure.ts"
import { checkTable, command, directoryArgument, keyArgument, tableArgument, textArgument } from "./action.ts"
import type { AnyCommand } from "./action.ts"
import { countOf } from "./progress.ts"
import { withStore } from "./store-session.ts"
import { fromJsonForm } from "./json-form-reader.ts"
import { toJsonForm } from "./json-form-writer.ts"
import type { Json } from "./json-form.ts"

const record = { dir: directoryArgument, table: tableArgument, key: keyArgument }

const tables = command(
  "tables",
  "Lists the tables, with the count of their records",
  { dir: directoryArgument },
  async ({ dir }, output) =>
    withStore(dir, async (store) => {
      const found = store.tables().map((name) => ({ name, records: store.table(name).size }))
      if (output.isJson) await output.document({ tables: found })
      else for (const { name, records } of found) await output.line(`${name}  ${countOf(records, "record")}`)
      return undefined
    }),
)

const get = command("get", "Prints the value of a key", record, async ({ dir, table, key }, output) => {
  checkTable(table)
  return withStore(dir, async (store) => {
    const handle = store.table(table)
    if (!handle.has(key)) {
      const summary = `there is no key ${JSON.stringify(key)} in table ${JSON.stringify(table)}`
      throw new CommandFailure("NO_SUCH_KEY", summary, `See the tables with: orrery tables ${dir}`)
    }
    const value = toJsonForm(handle.get(key))
    if (output.isJson) await output.document({ table, key, value })
    else await output.line(JSON.stringify(value, undefined, 2))
    return undefined
  })
})

const put = command(
  "put",
  "Sets a key to a value; ends when it is on stable storage",
  { ...record, value: textArgument("json", "The value as JSON, or in the forms of docs/operations.md") },
  async ({ dir, table, key, value }, output) => {
    checkTable(table)
    const parsed = fromJsonForm(parseJson(value))
    return withStore(dir, async (store) => {
      const { lsn } = await store.table(table).put(key, parsed)
      if (output.isJson) await output.document({ table, key, lsn })
      else await output.line(`put, as commit ${lsn}`)
      return undefined
    })
  },
)

const remove = command(
  "delete",
  "Removes a key; ends when that is on stable storage",
  record,
  async ({ dir, table, key }, output) => {
    checkTable(table)
    return withStore(dir, async (store) => {
      const isKnown = store.tables().includes(table)
      // A delete would define the table that it names.
      if (!isKnown) {
        const remedy = `See the tables with: orrery tables ${dir}`
        throw new CommandFailure("NO_SUCH_TABLE", `there is no table ${JSON.stringify(table)}`, remedy)
      }
      const handle = store.table(table)
      const existed = handle.has(key)
      const { lsn } = await handle.delete(key)
      if (output.isJson) await output.document({ table, key, existed, lsn })
      else await output.line(`${existed ? "deleted" : "was not there; the delete is logged"}, as commit ${lsn}`)
      return undefined
    })
  },
)

export const recordCommands: readonly AnyCommand[] = [tables, get, put, remove]

function parseJson(text: string): Json {
  try {
    return JSON.parse(text) as Json
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw new CommandFailure("NOT_JSON", `the value is not JSON: ${reason}`, `Quote it for the shell: '{"a":1}'`, 2)
  }
}
