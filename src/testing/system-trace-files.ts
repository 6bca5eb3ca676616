// Which file descriptor of which process stands for what, as far as the system calls tell: opened, duplicated, inherited,
// closed. Threads share a table, children get a copy, and what is shared beyond that is the position in the file.

import type { SystemCall } from "./system-trace-calls.ts"
import { numberOf, textOf } from "./system-trace-calls.ts"

/** What a descriptor stands for. Duplicates and children share it, its position too. */
export interface OpenedFile {
  /** "output" is the standard output that the program was started with; "other" is of no interest. */
  readonly kind: "file" | "directory" | "output" | "other"
  /** Its number in the simulated tree; 0 for output and other. */
  readonly node: number
  readonly path: string
  readonly appends: boolean
  /** Opened with O_DSYNC or O_SYNC. */
  readonly syncs: boolean
  position: number
}

interface Descriptor {
  readonly file: OpenedFile
  closesOnExecute: boolean
}

interface Process {
  descriptors: Map<number, Descriptor>
  /** Shared between threads. */
  directory: { path: string }
}

const OTHER: OpenedFile = { kind: "other", node: 0, path: "", appends: false, syncs: false, position: 0 }
const OUTPUT: OpenedFile = { ...OTHER, kind: "output" }
const OUTPUT_DESCRIPTOR = 1

export class ProcessFiles {
  readonly #directory: string
  readonly #processes = new Map<number, Process>()

  /** `directory`: the working directory of the program when it starts. */
  constructor(directory: string) {
    this.#directory = directory
  }

  /** Undefined where the descriptor was not seen being opened. */
  fileOf(pid: number, argument: string | undefined): OpenedFile | undefined {
    return this.#processOf(pid).descriptors.get(numberOf(argument))?.file
  }

  workingDirectoryOf(pid: number): string {
    return this.#processOf(pid).directory.path
  }

  changeDirectory(pid: number, path: string): void {
    this.#processOf(pid).directory.path = path
  }

  opened(pid: number, descriptor: number, file: OpenedFile | undefined, closesOnExecute: boolean): void {
    this.#processOf(pid).descriptors.set(descriptor, { file: file ?? OTHER, closesOnExecute })
  }

  closed(pid: number, argument: string | undefined): void {
    this.#processOf(pid).descriptors.delete(numberOf(argument))
  }

  duplicated(pid: number, argument: string | undefined, descriptor: number, closesOnExecute: boolean): void {
    const source = this.#processOf(pid).descriptors.get(numberOf(argument))
    this.opened(pid, descriptor, source?.file, closesOnExecute)
  }

  /** fcntl, as far as it concerns descriptors. */
  controlled({ pid, args, result }: SystemCall): void {
    const command = args[1] ?? ""
    if (command.startsWith("F_DUPFD")) {
      if (result !== undefined) this.duplicated(pid, args[0], result, command === "F_DUPFD_CLOEXEC")
    } else if (command === "F_SETFD") {
      const descriptor = this.#processOf(pid).descriptors.get(numberOf(args[0]))
      if (descriptor !== undefined) descriptor.closesOnExecute = (args[2] ?? "").includes("FD_CLOEXEC")
    }
  }

  /** fork, vfork, clone and clone3. Requires: called when the call is entered, before the child does anything. */
  forked({ pid, args, result }: SystemCall): void {
    if (result === undefined || result <= 0) return
    const flags = args.join(",")
    const { descriptors, directory } = this.#processOf(pid)
    this.#processes.set(result, {
      descriptors: flags.includes("CLONE_FILES") ? descriptors : copyOf(descriptors),
      directory: /\bCLONE_FS\b/.test(flags) ? directory : { ...directory },
    })
  }

  executed(pid: number): void {
    const process = this.#processOf(pid)
    process.descriptors = copyOf(process.descriptors)
    for (const [number, { closesOnExecute }] of process.descriptors) {
      if (closesOnExecute) process.descriptors.delete(number)
    }
  }

  #processOf(pid: number): Process {
    const known = this.#processes.get(pid)
    if (known !== undefined) return known
    const isFirst = this.#processes.size === 0
    const descriptors = new Map<number, Descriptor>()
    if (isFirst) descriptors.set(OUTPUT_DESCRIPTOR, { file: OUTPUT, closesOnExecute: false })
    const process = { descriptors, directory: { path: this.#directory } }
    this.#processes.set(pid, process)
    return process
  }
}

function copyOf(descriptors: ReadonlyMap<number, Descriptor>): Map<number, Descriptor> {
  return new Map([...descriptors].map(([number, descriptor]) => [number, { ...descriptor }]))
}

/** The two names of a call on names, each with what it is relative to: a descriptor's argument, or the working directory. */
export interface NamedPath {
  readonly directory: string | undefined
  readonly path: string
}

/** Where a call has its paths: `rename(a, b)`, `renameat(d, a, d, b)`, `unlink(a)`, `unlinkat(d, a)`. */
export function pathsIn(call: SystemCall): readonly NamedPath[] {
  if (!/at2?$/.test(call.name) || call.name === "creat") {
    return call.args.flatMap((argument) => pathIn(undefined, argument))
  }
  return call.args.flatMap((argument, index) => (index === 0 ? [] : pathIn(call.args[index - 1], argument)))
}

function pathIn(directory: string | undefined, argument: string): readonly NamedPath[] {
  const path = textOf(argument)
  return path === undefined ? [] : [{ directory, path }]
}

/** Where the bytes are taken from or put: at a position of their own, or where the file stands, which then moves. */
export function takePosition(file: OpenedFile, argument: string | undefined, length: number): number {
  const told = numberOf(argument)
  if (!Number.isNaN(told)) return told
  const position = file.position
  file.position += length
  return position
}
