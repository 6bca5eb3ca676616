#!/usr/bin/env node
// The door for the shell: the command line tool `orrery`. What it can do is in src/cli, and in docs/operations.md.
// Written so that a Node that is too old can read it, and say so.

const [major = 0, minor = 0] = process.versions.node.split(".").map(Number)

if (major < 22 || (major === 22 && minor < 18)) {
  process.stderr.write(`orrery: needs Node 22.18 or newer, and this is ${process.versions.node}\n`)
  process.exitCode = 2
} else {
  // Half of a short command's time is compiling: Node keeps what it compiled in the system's temporary directory.
  process.getBuiltinModule("node:module").enableCompileCache()
  const { runInstalled } = await import("./cli/command-line.ts")
  await runInstalled(import.meta.dirname, process.argv.slice(2))
}
