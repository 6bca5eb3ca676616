// The soak as a row: runs soak.bench.ts for as long as is asked, shows what it prints, and is failed where it ends so.

import { join } from "node:path"
import { mkdirSync } from "node:fs"
import type { Row } from "./harness.ts"
import type { Report } from "./report.ts"
import { runStandalone } from "./standalone.ts"

const title = "A long run under full load: memory must be flat, the directory bounded"

export const soakRow: Row = {
  name: "soak",
  title,
  estimateSeconds: (_, minutes) => Math.round(minutes * 60) + 10,
  hasQuickSize: false,
  isOnlyByName: true,
  async run({ minutes, directory }): Promise<Report> {
    const place = join(directory, "soak")
    mkdirSync(place)
    const commandArguments = ["--minutes", String(minutes), "--directory", place]
    const output = await runStandalone("soak", commandArguments)
    return {
      title,
      setting: `${minutes} minutes; default options; \`node bench/soak.bench.ts\``,
      tables: [],
      figures: [],
      notes: [],
      output: output.text,
      isFailed: output.isFailed,
    }
  },
}
