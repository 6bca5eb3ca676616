// `npm run test:coverage`: runs the tests of the log, of recovery and of checkpoints, and says which blocks of these three
// rooms nothing ran. Ends with 1 where one of them has no reason in docs/coverage.md, or a reason there has lost its block.
//
//   npm run test:coverage                     the tests below
//   npm run test:coverage -- test/wal         other ones, to look at a part; reasons are not held against it then
//
// The tests run in Node as it is, without a bundler between them and the source, and Node writes what V8 counted.

import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { FileCoverage } from "./block-coverage.ts"
import type { Piece, RawCoverage } from "./block-coverage.ts"
import { root, run } from "./run.ts"

const ROOMS = ["src/wal/", "src/recovery/", "src/checkpoint/"]
const TESTS = [
  "test/wal",
  "test/recovery",
  "test/checkpoint",
  "test/regressions",
  "test/faults/checkpoint",
  "test/faults/failing",
  "test/store/backup",
  "test/store/restore",
  "test/store/past",
  "test/store/follower",
  "test/store/failures",
  "test/store/audit-log",
  "test/store/checkpoint",
  "test/store/redundancy",
  "test/store/merkle",
]

const chosen = process.argv.slice(2)
const folder = mkdtempSync(join(tmpdir(), "orrery-coverage-"))
process.env["NODE_V8_COVERAGE"] = folder
process.env["ORRERY_COVERAGE"] = "1"
let failure: unknown
try {
  // Counting takes its time.
  run("vitest", ["run", "--testTimeout=600000", ...(chosen.length > 0 ? chosen : TESTS)])
} catch (error) {
  // What was counted up to there is worth a look all the same.
  failure = error
}
delete process.env["NODE_V8_COVERAGE"]

const files = new Map<string, FileCoverage>()
for (const room of ROOMS) {
  for (const name of readdirSync(join(root, room))) {
    if (name.endsWith(".ts")) files.set(room + name, new FileCoverage(readFileSync(join(root, room, name), "utf8")))
  }
}
for (const name of readdirSync(folder)) {
  const { result } = JSON.parse(readFileSync(join(folder, name), "utf8")) as RawCoverage
  for (const { url, functions } of result) {
    if (!url.startsWith("file:")) continue
    files
      .get(
        fileURLToPath(url)
          .slice(root.length + 1)
          .replaceAll("\\", "/"),
      )
      ?.add(functions)
  }
}
rmSync(folder, { recursive: true })

const reasons = reasonsIn(readFileSync(join(root, "docs/coverage.md"), "utf8"))
const used = new Set<string>()
const unexplained: string[] = []
const total = { all: 0, run: 0, explained: 0 }
for (const [file, coverage] of [...files].toSorted(([one], [other]) => (one < other ? -1 : 1))) {
  const { all, run: count } = coverage.blocks
  total.all += all
  total.run += count
  for (const piece of coverage.pieces()) {
    const reason = reasons.find((given) => given.file === file && piece.text.includes(given.piece))
    if (reason === undefined) unexplained.push(tell(file, piece))
    else {
      used.add(reason.key)
      total.explained++
    }
  }
}
for (const line of unexplained) console.log(line)
const stale = reasons.filter(({ key }) => !used.has(key))
if (chosen.length === 0) for (const { file, piece } of stale) console.log(`${file}: "${piece}" has a reason, and ran`)
console.log(
  `blocks: ${total.run} of ${total.all} ran; pieces that did not: ${total.explained} with a reason, ` +
    `${unexplained.length} without`,
)
if (failure !== undefined) console.error(failure)
const isComplete = unexplained.length === 0 && (chosen.length > 0 || stale.length === 0)
process.exitCode = isComplete && failure === undefined ? 0 : 1

function tell(file: string, { line, text }: Piece): string {
  return `${file}:${line}: ${text.length > 160 ? `${text.slice(0, 160)} …` : text}`
}

interface Reason {
  readonly key: string
  readonly file: string
  readonly piece: string
}

/** The rows of the document's table: a file, and the beginning of a piece of it. */
function reasonsIn(document: string): Reason[] {
  return [...document.matchAll(/^\| `(src\/[^`]+)` \| `([^`]+(?:`[^`|]*)*)` \|/gm)].map(
    ([key, file = "", piece = ""]) => ({
      key,
      file,
      piece: piece.replaceAll("\\|", "|"),
    }),
  )
}
