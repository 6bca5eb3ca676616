// The store's numbers: what it holds, and what it takes. Opens the store, so recovery's own numbers are among them.

import type { Alert } from "../actors/alert-rules.ts"
import type { Store } from "../store/store.ts"
import { command, directoryArgument } from "./action.ts"
import type { AnyCommand } from "./action.ts"
import { countOf, countText, durationText, sizeText } from "./progress.ts"
import { withStore } from "./store-session.ts"
import type { SessionOptions } from "./store-session.ts"

/** How much log may gather is for the program that the store belongs to. */
const WATCH: SessionOptions = {
  alerts: { logWarningBytes: Number.MAX_SAFE_INTEGER, logCriticalBytes: Number.MAX_SAFE_INTEGER },
}

export const statsCommand: AnyCommand = command(
  "stats",
  "Prints what the store holds and what it takes",
  { dir: directoryArgument },
  async ({ dir }, output) =>
    withStore(
      dir,
      async (store) => {
        if (output.isJson) {
          const tables = store.tables().map((name) => ({ name, records: store.table(name).size }))
          const alerts = await store.checkAlerts()
          await output.document({ path: dir, tables, metrics: store.metrics(), recovery: store.recovery, alerts })
        } else for (const line of statsLines(store, await store.checkAlerts())) await output.line(line)
        return undefined
      },
      WATCH,
    ),
)

function statsLines(store: Store, alerts: readonly Alert[]): readonly string[] {
  const { log, tables, checkpoint, prepared } = store.metrics()
  const { recovery } = store
  const names = store.tables()
  const read = checkpoint.kept === 0 ? "the log" : "the last checkpoint and the log behind it"
  return rows([
    ["tables", countText(names.length)],
    ...names.map((name): Row => [`  ${name}`, countOf(store.table(name).size, "record")]),
    ["records", `${countText(tables.records)}, ${sizeText(tables.liveBytes)}`],
    ["memory", `${sizeText(tables.allocatedBytes)} for records, ${sizeText(tables.indexBytes)} for the index`],
    [
      "log",
      `${sizeText(log.bytes)} in ${countText(log.segments)} segments, last LSN ${log.lastLsn}, epoch ${log.epoch}`,
    ],
    [
      "checkpoints",
      checkpoint.kept === 0
        ? "none"
        : `${countText(checkpoint.kept)}, the last through LSN ${checkpoint.lastLsn}: ${countText(checkpoint.lastRecords)} records, ${sizeText(checkpoint.lastSizeBytes)}`,
    ],
    ["to replay", `${sizeText(checkpoint.replayBytes)}, ${countOf(checkpoint.replayCommits, "commit")}`],
    ["redundant", `${(checkpoint.redundancy * 100).toFixed(0)} % of ${read}`],
    [
      "recovery",
      `${durationText(recovery.durationMs)}, ${countText(recovery.records)} records of the log; ${recovery.tail}`,
    ],
    ...(prepared.inDoubt === 0
      ? []
      : [["in doubt", `${countOf(prepared.inDoubt, "transaction")}; orrery in-doubt lists them`] as const]),
    ...alerts.map(({ severity, summary }): Row => [severity.toUpperCase(), summary]),
    ...recovery.warnings.map((warning): Row => ["warning", warning]),
  ])
}

type Row = readonly [name: string, text: string]

function rows(list: readonly Row[]): readonly string[] {
  const width = Math.max(...list.map(([name]) => name.length)) + 2
  return list.map(([name, text]) => `${name.padEnd(width)}${text}`)
}
