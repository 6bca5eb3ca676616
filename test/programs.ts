// The programs that tests start again and again in processes of their own, and where they are: bundled once a run
// (test/built-programs.ts), because to load two hundred modules from their TypeScript takes four times as long as what most of
// them do. From their sources where nothing was bundled: under a mutant, while coverage is counted, while files are watched.

import { basename, join } from "node:path"

const root = join(import.meta.dirname, "..")

/** Below the project's folder. Every one has a name of its own. */
export const programs = [
  "examples/two-stores/bank.ts",
  "examples/two-stores/coordinator.ts",
  "src/bin.ts",
  "src/checkpoint-worker.ts",
  "src/index.ts",
  "src/observability.ts",
  "src/testing.ts",
  "test/processes/checkpoint-worker-story.ts",
  "test/processes/checkpoint-workers-die-story.ts",
  "test/processes/consumers-kill-9-writer.ts",
  "test/processes/hard-times-writer.ts",
  "test/processes/kill-9-writer.ts",
  "test/processes/kill-at-call-writer.ts",
  "test/processes/kill-at-call.ts",
] as const

export type Program = (typeof programs)[number]

/** The name of a bundled program's file. */
export function bundledName(program: Program): string {
  return `${basename(program, ".ts")}.js`
}

/** The file that runs the program. */
export function programPath(program: Program): string {
  const folder = process.env["ORRERY_PROGRAMS"] ?? ""
  return folder === "" ? join(root, program) : join(folder, bundledName(program))
}
