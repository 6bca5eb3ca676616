// From the system calls of a program to the trace of a simulated disk that holds what lies below one directory, with what
// the program acknowledged in between. Changes may be on the medium from the entry of a call on; what a sync promises
// holds from its end.
//
// What cannot be followed is noted, never passed over: writes through shared mappings, files that come from outside.

import { posix } from "node:path"
import type { Change } from "../simulation/disk-changes.ts"
import type { DiskTrace } from "../simulation/disk-trace.ts"
import type { DiskTree } from "../simulation/disk-tree.ts"
import { createName, linkName, removeDirectoryName, renameName, unlinkName } from "../simulation/name-operations.ts"
import { ProtocolReader } from "./process-protocol.ts"
import {
  bytesOf,
  isShortened,
  numberOf,
  pathBehind,
  textOf,
  type SystemCall,
  type SystemCalls,
} from "./system-trace-calls.ts"
import { pathsIn, ProcessFiles, type NamedPath, type OpenedFile } from "./system-trace-files.ts"
import { SystemTraceRecorder, type Ending } from "./system-trace-recorder.ts"
import { SystemTraceWrites } from "./system-trace-writes.ts"

export interface SystemTraceOptions {
  /** The directory whose files are followed, by all paths that lead to it. */
  readonly roots: readonly string[]
  /** What is in it when the program starts. */
  readonly base: DiskTree
  readonly workingDirectory: string
  /** Whether the file system has a journal that writes names with a file's metadata. */
  readonly hasJournal: boolean
}

/** A sync of one file or directory, or of a write. */
export interface SyncCall {
  readonly path: string
  /** Acknowledgements before it. */
  readonly acknowledged: number
  /** Whether the program had said "opened". */
  readonly isOpened: boolean
}

/** How much a program had said when so many events of the trace had happened. */
interface Said {
  readonly eventCount: number
  readonly acknowledged: number
  readonly begun: number
}

export interface SystemTrace {
  readonly trace: DiskTrace
  readonly acknowledged: readonly unknown[]
  readonly begun: readonly unknown[]
  readonly said: readonly Said[]
  readonly syncs: readonly SyncCall[]
  /** What makes the states incomplete, one sentence each. */
  readonly notes: readonly string[]
}

type Handler = (call: SystemCall) => Ending | undefined | void

export function systemTraceOf(calls: SystemCalls, options: SystemTraceOptions): SystemTrace {
  const disk = new SystemDisk(options)
  const endings = new Map<SystemCall, Ending>()
  const moments = calls.calls.flatMap((call) => [
    { at: call.enteredAt * 2, call, isEnd: false },
    ...(call.leftAt === undefined ? [] : [{ at: call.leftAt * 2 + 1, call, isEnd: true }]),
  ])
  for (const { call, isEnd } of moments.toSorted((left, right) => left.at - right.at)) {
    if (isEnd) endings.get(call)?.()
    else {
      const ending = disk.entered(call)
      if (ending !== undefined) endings.set(call, ending)
    }
  }
  return disk.trace()
}

class SystemDisk {
  readonly #roots: readonly string[]
  readonly #files: ProcessFiles
  readonly #recorder: SystemTraceRecorder
  readonly #writes: SystemTraceWrites
  readonly #reader = new ProtocolReader()
  readonly #said: Said[] = []
  readonly #syncs: SyncCall[] = []
  readonly #notes = new Set<string>()
  /** What was executed last. */
  #program = ""
  readonly #handlers: Readonly<Record<string, Handler>>

  constructor({ roots, base, workingDirectory, hasJournal }: SystemTraceOptions) {
    this.#roots = roots
    this.#files = new ProcessFiles(workingDirectory)
    this.#recorder = new SystemTraceRecorder(base, hasJournal)
    this.#writes = new SystemTraceWrites(
      this.#recorder,
      (path) => this.#countSync(path),
      (sentence) => this.#note(sentence),
    )
    this.#handlers = this.#handlersByName()
  }

  /** Returns what is to be done when the call ends. */
  entered(call: SystemCall): Ending | undefined {
    const handler = Object.hasOwn(this.#handlers, call.name) ? this.#handlers[call.name] : undefined
    const isSync = call.name === "fsync" || call.name === "fdatasync"
    if (handler === undefined || (call.error !== undefined && !isSync)) return undefined
    try {
      return handler(call) ?? undefined
    } catch (error) {
      if (!(error instanceof Error) || !("syscall" in error)) throw error
      this.#note(`${call.name} could not be followed: ${error.message}`)
      return undefined
    }
  }

  trace(): SystemTrace {
    const { acknowledged, begun } = this.#reader
    const trace = this.#recorder.trace()
    return { trace, acknowledged, begun, said: this.#said, syncs: this.#syncs, notes: [...this.#notes] }
  }

  #handlersByName(): Readonly<Record<string, Handler>> {
    const open: Handler = (call) => this.#open(call)
    const write: Handler = (call) => this.#write(call)
    const read: Handler = ({ pid, args, result = 0 }) => {
      const file = this.#files.fileOf(pid, args[0])
      if (file !== undefined) file.position += result
    }
    const fork: Handler = (call) => this.#files.forked(call)
    const name: Handler = (call) => this.#changeNames(call)
    const sync: Handler = (call) => this.#sync(call)
    const truncate: Handler = (call) => this.#truncate(call)
    const copy: Handler = (call) => this.#copy(call)
    const syncAll: Handler = () => this.#recorder.syncEverything()
    const duplicate: Handler = ({ pid, args, result, name: callName }) => {
      const closesOnExecute = callName === "dup3" && (args[2] ?? "").includes("O_CLOEXEC")
      return () => this.#files.duplicated(pid, args[0], result ?? -1, closesOnExecute)
    }
    const shared: readonly (readonly [string, Handler])[] = [
      ["open openat openat2 creat", open],
      ["write pwrite64 writev pwritev pwritev2", write],
      ["read readv", read],
      ["fork vfork clone clone3", fork],
      ["fsync fdatasync", sync],
      ["sync syncfs", syncAll],
      ["ftruncate truncate", truncate],
      ["rename renameat renameat2 link linkat symlink symlinkat unlink unlinkat rmdir mkdir mkdirat", name],
      ["copy_file_range sendfile", copy],
      ["dup dup2 dup3", duplicate],
    ]
    return {
      ...Object.fromEntries(shared.flatMap(([names, handler]) => names.split(" ").map((each) => [each, handler]))),
      fallocate: (call) => this.#allocate(call),
      close: ({ pid, args }) => this.#files.closed(pid, args[0]),
      fcntl: (call) => () => this.#files.controlled(call),
      execve: (call) => {
        this.#program = textOf(call.args[0]) ?? ""
        return () => this.#files.executed(call.pid)
      },
      lseek: ({ pid, args, result }) => {
        const file = this.#files.fileOf(pid, args[0])
        if (file !== undefined && result !== undefined) file.position = result
      },
      chdir: (call) => {
        const [path] = pathsIn(call)
        if (path !== undefined) this.#files.changeDirectory(call.pid, this.#absolute(call, path))
      },
      fchdir: ({ pid, args }) => {
        const path = pathBehind(args[0])
        if (path !== undefined) this.#files.changeDirectory(pid, path)
      },
      mmap: (call) => this.#map(call),
      ioctl: ({ args }) => {
        const path = this.#inside(pathBehind(args[0]))
        if (path !== undefined && args[1]?.includes("FICLONE") === true)
          this.#note(`${path} was made by a clone of blocks, whose bytes are not seen`)
      },
      io_uring_setup: ({ args }) => {
        // Node waits for events through a ring of its own, and keeps files out of rings when it is told to.
        const isWaiting = posix.basename(this.#program) === "node" && !(args[1] ?? "").includes("IORING_SETUP_SQPOLL")
        if (!isWaiting) this.#note("io_uring was used: what was written through it is not seen")
      },
      io_submit: () => this.#note("asynchronous I/O was used: what was written through it is not seen"),
    }
  }

  #open(call: SystemCall): Ending | undefined {
    const { pid, args, result, resultPath } = call
    const [named] = pathsIn(call)
    if (named === undefined) return undefined
    const flags = call.name === "creat" ? "O_CREAT|O_TRUNC" : (args[call.name === "open" ? 1 : 2] ?? "")
    const path = this.#inside(this.#absolute(call, named)) ?? this.#inside(resultPath)
    const file = path === undefined ? undefined : this.#fileAt(path, flags)
    return () => {
      if (result !== undefined) this.#files.opened(pid, result, file, flags.includes("O_CLOEXEC"))
    }
  }

  #fileAt(path: string, flags: string): OpenedFile | undefined {
    const { cache } = this.#recorder
    if (flags.includes("O_TMPFILE")) {
      this.#note(`a file without a name was made in ${path}, and is not followed`)
      return undefined
    }
    let node = cache.lookup(path, "open")
    const changes: Change[] = []
    if (node === undefined) {
      if (!flags.includes("O_CREAT")) {
        this.#note(`${path} was opened, and was not seen being made`)
        return undefined
      }
      const change = createName(cache, path, "file")
      node = change.node
      changes.push(change)
    }
    const size = cache.file(node)?.size ?? 0
    if (flags.includes("O_TRUNC") && size > 0) changes.push(this.#writes.resize(node, 0))
    if (changes.length > 0) this.#recorder.ended(this.#recorder.change("open", path, flags, changes))
    const kind = cache.file(node) === undefined ? "directory" : "file"
    const syncs = /O_D?SYNC/.test(flags)
    return { kind, node, path, appends: flags.includes("O_APPEND"), syncs, position: 0 }
  }

  #write(call: SystemCall): Ending | undefined {
    const { pid, args, result } = call
    const file = this.#files.fileOf(pid, args[0]) ?? this.#strayFile(call)
    if (file === undefined || file.kind === "other" || file.kind === "directory") return undefined
    const data = args[1] ?? ""
    if (isShortened(data)) throw new RangeError(`crash trace: a write of ${args[2]} bytes is too large to be traced`)
    const bytes = bytesOf(data)
    const written = result === undefined ? bytes : bytes.subarray(0, result)
    if (file.kind === "output") {
      this.#reader.take(written)
      const { acknowledged, begun } = this.#reader
      const eventCount = this.#recorder.eventCount
      this.#said.push({ eventCount, acknowledged: acknowledged.length, begun: begun.length })
      return undefined
    }
    return this.#writes.write(file, call, written)
  }

  #sync({ pid, name, args, error }: SystemCall): Ending | undefined {
    const file = this.#files.fileOf(pid, args[0])
    if (file === undefined || file.kind === "output" || file.kind === "other") return undefined
    this.#countSync(file.path)
    if (file.kind === "directory") return this.#recorder.syncDirectory(file.path, file.node, error)
    return this.#recorder.syncFile(file.path, name, file.node, name === "fdatasync", error)
  }

  #truncate(call: SystemCall): Ending | undefined {
    const [named] = pathsIn(call)
    const path = named === undefined ? undefined : this.#inside(this.#absolute(call, named))
    const file = path === undefined ? this.#files.fileOf(call.pid, call.args[0]) : this.#fileAt(path, "")
    if (file?.kind !== "file") return undefined
    return this.#writes.truncate(file, numberOf(call.args[1]))
  }

  #allocate(call: SystemCall): Ending | undefined {
    const file = this.#files.fileOf(call.pid, call.args[0])
    return file?.kind === "file" ? this.#writes.allocate(file, call) : undefined
  }

  #copy(call: SystemCall): Ending | undefined {
    const { pid, name, args, result = 0 } = call
    const isRange = name === "copy_file_range"
    const target = this.#files.fileOf(pid, args[isRange ? 2 : 0])
    if (target?.kind !== "file" || result === 0) return undefined
    return this.#writes.copy(this.#files.fileOf(pid, args[isRange ? 0 : 1]), target, call)
  }

  #changeNames(call: SystemCall): Ending | undefined {
    const [source, target] = pathsIn(call).map((named) => this.#inside(this.#absolute(call, named)))
    const { cache } = this.#recorder
    if (call.name.startsWith("rename") || call.name.startsWith("link")) {
      if (source === undefined && target === undefined) return undefined
      if (source === undefined || target === undefined || call.args.join().includes("RENAME_EXCHANGE")) {
        this.#note(`${call.name} of ${source ?? target} goes across the directory's border, and is not followed`)
        return undefined
      }
      const isLink = call.name.startsWith("link")
      const change = isLink ? linkName(cache, source, target) : renameName(cache, source, target)?.change
      if (change === undefined) return undefined
      return this.#ending(this.#recorder.change(isLink ? "link" : "rename", source, `to ${target}`, [change]))
    }
    if (call.name.startsWith("symlink")) {
      const link = target ?? source
      if (link !== undefined) this.#note(`${link} is a symbolic link, and is not followed`)
      return undefined
    }
    // The directory itself is there in every state.
    if (source === undefined || source === "/") return undefined
    if (call.name.startsWith("mkdir")) {
      return this.#ending(this.#recorder.change("makeDirectory", source, "", [createName(cache, source, "directory")]))
    }
    const isDirectory = call.name === "rmdir" || (call.args[2] ?? "").includes("AT_REMOVEDIR")
    const change = isDirectory ? removeDirectoryName(cache, source) : unlinkName(cache, source)
    return this.#ending(this.#recorder.change(isDirectory ? "removeDirectory" : "unlink", source, "", [change]))
  }

  #map({ args }: SystemCall): void {
    if (!(args[2] ?? "").includes("PROT_WRITE") || !(args[3] ?? "").includes("MAP_SHARED")) return
    const path = this.#inside(pathBehind(args[4]))
    if (path !== undefined) this.#note(`${path} is written through a shared mapping: those writes are not seen`)
  }

  /** A file that was opened in a way that is not followed. */
  #strayFile({ args }: SystemCall): OpenedFile | undefined {
    const path = this.#inside(pathBehind(args[0]))
    if (path === undefined) return undefined
    this.#note(`${path} was written through a descriptor that was not seen being opened`)
    return undefined
  }

  #countSync(path: string): void {
    const { acknowledged, isOpened } = this.#reader
    this.#syncs.push({ path, acknowledged: acknowledged.length, isOpened })
  }

  #ending(serial: number): Ending {
    return () => this.#recorder.ended(serial)
  }

  #note(sentence: string): void {
    this.#notes.add(sentence)
  }

  #absolute({ pid }: SystemCall, { directory, path }: NamedPath): string {
    return posix.resolve(pathBehind(directory) ?? this.#files.workingDirectoryOf(pid), path)
  }

  /** The path below the directory, "/" for itself; undefined for what is elsewhere. */
  #inside(path: string | undefined): string | undefined {
    for (const root of this.#roots) {
      if (path === root) return "/"
      if (path?.startsWith(`${root}/`) === true) return path.slice(root.length)
    }
    return undefined
  }
}
