// What a failure leaves on the real disk: the image of the simulated one as the crash left it, the calls that led there,
// the message; and, where asked for, a test file that replays it.

import { mkdir, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { dirname, join, relative, resolve, sep } from "node:path"
import { fileURLToPath } from "node:url"
import type { Operation } from "../simulation/disk-trace.ts"
import type { CrashFailure } from "./crash-search.ts"

/** The folder for a failure: `orrery-crash-<seed>`, in the directory or the system's temporary one. */
export function artifactsPath(directory: string | undefined, seed: number): string {
  return resolve(directory ?? tmpdir(), `orrery-crash-${seed}`)
}

/** Writes into the folder what a failure leaves; what was there of an older one goes. */
export async function writeArtifacts<Op, Result>(
  folder: string,
  failure: CrashFailure<Op, Result>,
  message: string,
): Promise<void> {
  const { violation, run } = failure
  await rm(folder, { recursive: true, force: true })
  await mkdir(folder, { recursive: true })
  for (const [path, bytes] of violation.image) {
    // Paths of the simulated disk have no ".." in them.
    const target = join(folder, "disk", ...path.split("/"))
    await mkdir(dirname(target), { recursive: true })
    await writeFile(target, bytes)
  }
  await writeFile(join(folder, "message.txt"), `${message}\n`)
  await writeFile(join(folder, "calls.txt"), run.trace.operations.map(callText).join(""))
}

/**
 * Writes a test file that runs the calling one with the token in its environment. `testFile` is a path or a file URL.
 * Fails with: an error that says so if the calling file is not known.
 */
export async function writeRegression(
  path: string,
  testFile: string | undefined,
  token: string,
  message: string,
): Promise<void> {
  if (testFile === undefined) throw new Error("writeRegression needs testFile: import.meta.url")
  const target = resolve(path)
  const caller = testFile.startsWith("file:") ? fileURLToPath(testFile) : testFile
  const way = relative(dirname(target), caller).split(sep).join("/")
  const specifier = way.startsWith(".") ? way : `./${way}`
  const story = message.split("\n").map((line) => `// ${line}`.trimEnd())
  const lines = [
    "// A crash that was found once, and is tried again each time. What was found then:",
    "//",
    ...story,
    "",
    `process.env["ORRERY_CRASH_REPLAY"] = ${JSON.stringify(token)}`,
    `await import(${JSON.stringify(specifier)})`,
    "",
    "export {}",
    "",
  ]
  await mkdir(dirname(target), { recursive: true })
  await writeFile(target, lines.join("\n"))
}

/** The file that called into this folder, by the stack of an error made on the way in. Undefined where it shows none. */
export function callerOf(stack: string | undefined): string | undefined {
  const here = dirname(import.meta.filename)
  for (const line of stack?.split("\n").slice(1) ?? []) {
    const place = /(?:\(|at (?:async )?)((?:file:\/\/|\/|[A-Za-z]:\\)[^()]*?):\d+:\d+\)?$/.exec(line)?.[1]
    if (place === undefined) continue
    const file = place.startsWith("file:") ? fileURLToPath(place) : place
    if (dirname(file) !== here) return file
  }
  return undefined
}

function callText({ serial, name, path, detail, outcome }: Operation): string {
  return `${serial}. ${name} ${path}${detail === "" ? "" : ` (${detail})`}: ${outcome}\n`
}
