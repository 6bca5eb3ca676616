// Starts the writer, listens to what it acknowledges, and kills it in the middle of its work.

import { strict as assert } from "node:assert"
import { runChild } from "./child.ts"
import { EMPTY_SUMMARY } from "./city-summary.ts"
import type { Summary } from "./city-summary.ts"
import type { WriterMessage } from "./writer.ts"

export interface KillPlan {
  readonly directory: string
  readonly rowCountMax: number
  /** SIGKILL as soon as so many puts are known to be acknowledged. */
  readonly killAfterCount: number
  readonly signal: AbortSignal
  readonly onProgress: (acknowledgedCount: number, summary: Summary) => void
}

/** The keys whose put the writer has acknowledged, to the parent's knowledge. They must never be lost. */
export async function loadUntilKilled(plan: KillPlan): Promise<ReadonlySet<string>> {
  const acknowledged = new Set<string>()
  let summary = EMPTY_SUMMARY
  let isKilled = false
  const childArguments = [plan.directory, String(plan.rowCountMax)]
  const end = await runChild<WriterMessage>(new URL("./writer.ts", import.meta.url), childArguments, {
    signal: plan.signal,
    onMessage: (message, child) => {
      if (message.kind === "summary") summary = message.summary
      else for (const key of message.keys) acknowledged.add(key)
      plan.onProgress(acknowledged.size, summary)
      if (isKilled) return
      isKilled = acknowledged.size >= plan.killAfterCount
      if (isKilled) child.kill("SIGKILL")
      else child.send(acknowledged.size)
    },
  })
  assert.ok(end.endSignal === "SIGKILL", `the writer was to be killed, but ended by itself with ${end.exitCode}`)
  return acknowledged
}
