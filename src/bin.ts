#!/usr/bin/env node
// The door for the shell: the command line tool `orrery`. What it can do is in src/cli, and in docs/operations.md.

// Half of a short command's time is compiling: Node keeps what it compiled in the system's temporary directory.
process.getBuiltinModule("node:module").enableCompileCache()
const { runInstalled } = await import("./cli/command-line.ts")

await runInstalled(import.meta.dirname, process.argv.slice(2))
