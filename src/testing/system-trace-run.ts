// Runs a program under strace and gives back what it did to the files below one directory, as a trace of which crash
// states can be made. For Linux, where strace is installed and may trace.

import { spawn, spawnSync } from "node:child_process"
import { once } from "node:events"
import { readdir, readFile, realpath, stat } from "node:fs/promises"
import { join, resolve } from "node:path"
import { createName } from "../simulation/name-operations.ts"
import { DiskTree } from "../simulation/disk-tree.ts"
import { systemCallsOf } from "./system-trace-calls.ts"
import { systemTraceOf, type SystemTrace } from "./system-trace-disk.ts"

export interface RecordOptions {
  readonly command: readonly string[]
  readonly directory: string
  /** Where strace writes to. It stays there. */
  readonly output: string
  readonly environment?: Readonly<Record<string, string>>
  readonly workingDirectory?: string
  readonly hasJournal: boolean
  readonly signal: AbortSignal
}

export interface RecordedProgram extends SystemTrace {
  /** Undefined where a signal ended it. */
  readonly exitCode: number | undefined
  /** The end of what it wrote on its standard error. */
  readonly complaint: string
}

const CALLS = [
  "open openat openat2 creat close dup dup2 dup3 fcntl lseek read readv ioctl",
  "write pwrite64 writev pwritev pwritev2 ftruncate truncate fallocate copy_file_range sendfile",
  "fsync fdatasync sync syncfs rename renameat renameat2 link linkat symlink symlinkat unlink unlinkat",
  "mkdir mkdirat rmdir chdir fchdir mmap io_uring_setup io_submit clone clone3 fork vfork execve",
]
  .flatMap((names) => names.split(" "))
  // Not every processor has every one of them.
  .map((name) => `?${name}`)
  .join(",")
/** Longest write that is kept whole. */
const WRITE_SIZE_MAX = 32 * 1024 * 1024
const OUTPUT_SIZE_MAX = 1024 * 1024 * 1024
const COMPLAINT_LENGTH_MAX = 2_000
const PROBE_MS = 10_000

let isAvailable = false

/** Undefined where programs can be traced here; else why not, in one line. */
export function traceUnavailable(): string | undefined {
  if (isAvailable) return undefined
  const why = probed()
  isAvailable = why === undefined
  return why
}

function probed(): string | undefined {
  if (process.platform !== "linux") return `crash.trace needs Linux and strace, and this is ${process.platform}`
  const probe = spawnSync("strace", ["-qq", "-f", "-e", "trace=fsync", process.execPath, "--version"], {
    timeout: PROBE_MS,
    encoding: "utf8",
    stdio: ["ignore", "ignore", "pipe"],
  })
  if (probe.error !== undefined && "code" in probe.error && probe.error.code === "ENOENT") {
    return "crash.trace needs strace on the PATH (Debian: apt-get install strace)"
  }
  return probe.status === 0 ? undefined : `strace cannot trace here: ${probe.stderr.trim() || String(probe.error)}`
}

/** Fails with: RangeError where a write or the whole is too large; the signal's reason. */
export async function recordProgram(options: RecordOptions): Promise<RecordedProgram> {
  const { command, directory, output, hasJournal, signal } = options
  const root = resolve(directory)
  const real = await realpath(root)
  const base = await treeOf(real)
  const workingDirectory = await realpath(options.workingDirectory ?? process.cwd())
  const flags = ["-f", "-y", "-xx", "-qq", "--seccomp-bpf", "-s", String(WRITE_SIZE_MAX), "-e", "signal=none"]
  const traced = ["-e", `trace=${CALLS}`, "-e", "raw=read,readv", "-o", output, "--", ...command]
  const child = spawn("strace", [...flags, ...traced], {
    cwd: workingDirectory,
    // Without io_uring libuv makes the calls that strace can show.
    env: { ...process.env, ...options.environment, UV_USE_IO_URING: "0" },
    stdio: ["ignore", "pipe", "pipe"],
    // A group of its own, so that the program ends with strace when the test is given up.
    detached: true,
  })
  const giveUp = (): void => {
    if (child.pid === undefined) return
    try {
      process.kill(-child.pid, "SIGKILL")
    } catch (error) {
      // It has ended meanwhile.
      if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error
    }
  }
  signal.addEventListener("abort", giveUp, { once: true })
  // It may have come while the directory was read.
  if (signal.aborted) giveUp()
  let complaint = ""
  child.stdout.resume()
  child.stderr.on("data", (bytes: Buffer) => {
    complaint = (complaint + bytes.toString()).slice(-COMPLAINT_LENGTH_MAX)
  })
  try {
    const [exitCode] = (await once(child, "close")) as [number | null]
    signal.throwIfAborted()
    if ((await stat(output)).size > OUTPUT_SIZE_MAX) {
      throw new RangeError(`crash trace: strace wrote more than ${OUTPUT_SIZE_MAX} bytes: let the program do less`)
    }
    const calls = systemCallsOf(await readFile(output))
    const roots = [...new Set([root, real])]
    const trace = systemTraceOf(calls, { roots, base, workingDirectory, hasJournal })
    return { ...trace, exitCode: exitCode ?? undefined, complaint }
  } finally {
    signal.removeEventListener("abort", giveUp)
  }
}

/** What lies in a real directory, as a tree. */
async function treeOf(directory: string): Promise<DiskTree> {
  const tree = new DiskTree()
  const fill = async (path: string): Promise<void> => {
    for (const entry of await readdir(join(directory, path), { withFileTypes: true })) {
      const inner = `${path}/${entry.name}`
      if (entry.isDirectory()) {
        createName(tree, inner, "directory")
        await fill(inner)
      } else if (entry.isFile()) {
        const bytes = await readFile(join(directory, inner))
        const file = tree.changeFile(createName(tree, inner, "file").node)
        file.resize(bytes.length)
        file.write(bytes, 0)
      }
    }
  }
  await fill("")
  return tree
}
