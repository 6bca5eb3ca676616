// A store as small as can be, as a program of its own: numbered lines in one file. The second argument says what is wrong
// with it, the third how many lines it writes (default: until it is killed, or for a minute).
//
//   correct   writes, syncs, acknowledges
//   unsynced  acknowledges what only the operating system has
//   buffered  acknowledges what only it has itself
//   nameless  syncs the file and never the directory that names it
//   slow      takes a quarter of a second to open
//   broken    fails when there is something to recover

import { closeSync, fdatasyncSync, fsyncSync, openSync, readFileSync, statSync, writeSync } from "node:fs"
import { join } from "node:path"
import { acknowledge, begin, opened, opening } from "../../src/testing/process-protocol.ts"

const [directory, fault, countText] = process.argv.slice(2) as [string, string, string | undefined]
const path = join(directory, "lines")
const endMs = Date.now() + 60_000
opening()
const file = openSync(path, "a+")
if (fault === "slow") Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 250)
if (fault !== "nameless") {
  const names = openSync(directory, "r")
  fsyncSync(names)
  closeSync(names)
}
if (fault === "broken" && statSync(path).size > 0) throw new Error("there is something, and I do not know what")
// A line that a kill has cut is ended, and counts for nothing.
const text = readFileSync(path, "utf8")
if (text !== "" && !text.endsWith("\n")) writeSync(file, "\n")
opened()

const first = text.split("\n").length * 1_000
let buffer = ""
const count = countText === undefined ? Infinity : Number(countText)
for (let n = first; n < first + count && Date.now() < endMs; n++) {
  begin(n)
  buffer += `line ${n}.\n`
  if (fault !== "buffered" || buffer.length > 10_000) {
    writeSync(file, buffer)
    buffer = ""
  }
  if (fault !== "unsynced" && fault !== "buffered") fdatasyncSync(file)
  acknowledge(n)
}
closeSync(file)
