// From system calls to crash states: what is kept by which sync, and when the program's word counts. The lines are
// strace's; the program works in /w, and keeps its files there.

import { describe, expect, test } from "vitest"
import { crashState, findCrashState } from "../../src/simulation/crash-states.ts"
import { DiskTree } from "../../src/simulation/disk-tree.ts"
import { systemCallsOf } from "../../src/testing/system-trace-calls.ts"
import { systemTraceOf, type SystemTrace } from "../../src/testing/system-trace-disk.ts"
import { tracedStates } from "../../src/testing/system-trace-states.ts"

interface Settings {
  readonly hasJournal?: boolean
  readonly roots?: readonly string[]
}

function traceOf(lines: readonly string[], { hasJournal = false, roots = ["/w"] }: Settings = {}): SystemTrace {
  const calls = systemCallsOf(Buffer.from(lines.join("\n")))
  return systemTraceOf(calls, { roots, base: new DiskTree(), workingDirectory: "/w", hasJournal })
}

type Files = Readonly<Record<string, string>>

function filesOf(files: ReadonlyMap<string, Uint8Array>): Files {
  return Object.fromEntries([...files].map(([path, bytes]) => [path, Buffer.from(bytes).toString("latin1")]))
}

/** What programs see at the end: everything kept. */
function endOf({ trace }: SystemTrace): Files {
  const end = trace.events.length
  // With nothing pending there is one state alone.
  const state = findCrashState(trace, `${end}.1`) ?? crashState(trace, `${end}.0`)
  return filesOf(state.mount().files())
}

/** What there is at the end in the worst case: nothing kept that no sync has asked for. */
function durableOf({ trace }: SystemTrace): Files {
  return filesOf(crashState(trace, `${trace.events.length}.0`).mount().files())
}

const openNew = '1  openat(AT_FDCWD</w>, "a", O_RDWR|O_CREAT|O_CLOEXEC, 0666) = 3</w/a>'
const openDirectory = '1  openat(AT_FDCWD</w>, "/w", O_RDONLY|O_DIRECTORY) = 9</w>'
const syncDirectory = "1  fsync(9</w>) = 0"

describe("what programs see", () => {
  test.each<readonly [string, readonly string[], Files]>([
    [
      "writes go on where the last one ended",
      ['1  write(3</w/a>, "one", 3) = 3', '1  write(3</w/a>, "two", 3) = 3'],
      { "/a": "onetwo" },
    ],
    [
      "a short write counts as far as it went",
      ['1  write(3</w/a>, "one", 3) = 2', '1  write(3</w/a>, "e", 1) = 1'],
      { "/a": "one" },
    ],
    [
      "lseek moves, and read moves too",
      [
        '1  write(3</w/a>, "abcdef", 6) = 6',
        "1  lseek(3</w/a>, 0, SEEK_SET) = 0",
        "1  read(0x3, 0x7f, 0x2) = 0x2",
        '1  write(3</w/a>, "XX", 2) = 2',
      ],
      { "/a": "abXXef" },
    ],
    [
      "a write with a position leaves the position",
      ['1  pwrite64(3</w/a>, "late", 4, 3) = 4', '1  write(3</w/a>, "abc", 3) = 3'],
      { "/a": "abclate" },
    ],
    [
      "several buffers are one write",
      ['1  pwritev(3</w/a>, [{iov_base="de", iov_len=2}, {iov_base="fg", iov_len=2}], 2, 1) = 4'],
      { "/a": "\0defg" },
    ],
    [
      "an appending file writes to its end, whatever was read",
      [
        '1  write(3</w/a>, "abc", 3) = 3',
        '1  open("a", O_WRONLY|O_APPEND) = 4</w/a>',
        '1  write(4</w/a>, "d", 1) = 1',
        '1  write(3</w/a>, "e", 1) = 1',
      ],
      { "/a": "abce" },
    ],
    [
      "duplicates share the position",
      [
        "1  dup(3</w/a>) = 4</w/a>",
        '1  write(4</w/a>, "ab", 2) = 2',
        "1  close(4</w/a>) = 0",
        '1  write(3</w/a>, "c", 1) = 1',
      ],
      { "/a": "abc" },
    ],
    [
      "dup2 and fcntl duplicate as well",
      [
        "1  dup2(3</w/a>, 7</o>) = 7</w/a>",
        '1  write(7</w/a>, "ab", 2) = 2',
        "1  fcntl(7</w/a>, F_DUPFD_CLOEXEC, 0) = 8</w/a>",
        '1  write(8</w/a>, "c", 1) = 1',
      ],
      { "/a": "abc" },
    ],
    [
      "a child inherits, and shares the position",
      [
        "1  clone(child_stack=NULL, flags=CLONE_CHILD_CLEARTID|SIGCHLD) = 2",
        "2  close(9</w>) = 0",
        '2  write(3</w/a>, "ab", 2) = 2',
        '1  write(3</w/a>, "c", 1) = 1',
      ],
      { "/a": "abc" },
    ],
    [
      "a child that speaks before its parent's call returns is known",
      ["1  vfork( <unfinished ...>", '2  write(3</w/a>, "ab", 2) = 2', "1  <... vfork resumed>) = 2"],
      { "/a": "ab" },
    ],
    [
      "what a child closes stays open in its parent",
      ["1  fork() = 2", "2  close(3</w/a>) = 0", '1  write(3</w/a>, "c", 1) = 1'],
      { "/a": "c" },
    ],
    [
      "what a thread opens is its process's",
      [
        "1  clone3({flags=CLONE_VM|CLONE_FS|CLONE_FILES|CLONE_THREAD}, 88) = 2",
        '2  openat(AT_FDCWD</w>, "b", O_WRONLY|O_CREAT, 0666) = 4</w/b>',
        '1  write(4</w/b>, "b", 1) = 1',
      ],
      { "/a": "", "/b": "b" },
    ],
    [
      "opening to truncate empties",
      ['1  write(3</w/a>, "abc", 3) = 3', '1  creat("a", 0644) = 4</w/a>', '1  write(4</w/a>, "x", 1) = 1'],
      { "/a": "x" },
    ],
    [
      "truncating cuts and grows",
      ['1  write(3</w/a>, "abc", 3) = 3', "1  ftruncate(3</w/a>, 1) = 0", '1  truncate("a", 3) = 0'],
      { "/a": "a\0\0" },
    ],
    [
      "fallocate grows unless it is to keep the size",
      ["1  fallocate(3</w/a>, 0, 0, 2) = 0", "1  fallocate(3</w/a>, FALLOC_FL_KEEP_SIZE, 0, 9) = 0"],
      { "/a": "\0\0" },
    ],
    [
      "a hole is zeros",
      ['1  write(3</w/a>, "abcd", 4) = 4', "1  fallocate(3</w/a>, FALLOC_FL_KEEP_SIZE|FALLOC_FL_PUNCH_HOLE, 1, 2) = 0"],
      { "/a": "a\0\0d" },
    ],
    [
      "a rename takes the place of another file",
      [
        '1  write(3</w/a>, "new", 3) = 3',
        '1  creat("b", 0644) = 4</w/b>',
        '1  rename("a", "b") = 0',
        '1  write(3</w/b>, "er", 2) = 2',
      ],
      { "/b": "newer" },
    ],
    [
      "renames are relative to what they say",
      ['1  mkdir("d", 0777) = 0', '1  renameat2(AT_FDCWD</w>, "a", 6</w/d>, "b", RENAME_NOREPLACE) = 0'],
      { "/d/b": "" },
    ],
    [
      "links are further names, and one name may go",
      [
        '1  write(3</w/a>, "x", 1) = 1',
        '1  linkat(AT_FDCWD</w>, "a", AT_FDCWD</w>, "b", 0) = 0',
        '1  unlinkat(AT_FDCWD</w>, "a", 0) = 0',
      ],
      { "/b": "x" },
    ],
    [
      "directories come and go, and paths follow the working directory",
      [
        '1  mkdirat(AT_FDCWD</w>, "d", 0777) = 0',
        '1  chdir("d") = 0',
        '1  open("../d/./e", O_WRONLY|O_CREAT, 0666) = 5</w/d/e>',
        '1  rename("e", "../e") = 0',
        '1  rmdir("/w/d") = 0',
      ],
      { "/a": "", "/e": "" },
    ],
    [
      "a file that was unlinked can be written to, and is gone",
      ['1  unlink("a") = 0', '1  write(3</w/a (deleted)>, "x", 1) = 1'],
      {},
    ],
    [
      "what was copied inside is known",
      [
        '1  write(3</w/a>, "abc", 3) = 3',
        '1  creat("b", 0644) = 4</w/b>',
        "1  copy_file_range(3</w/a>, [1] => [3], 4</w/b>, NULL, 9, 0) = 2",
      ],
      { "/a": "abc", "/b": "bc" },
    ],
    [
      "calls that failed have done nothing",
      [
        '1  unlink("a") = -1 EACCES (Permission denied)',
        '1  write(3</w/a>, "abc", 3) = -1 ENOSPC (No space left on device)',
      ],
      { "/a": "" },
    ],
    [
      "other directories do not matter",
      ['1  creat("/wider", 0644) = 4</wider>', '1  write(4</wider>, "x", 1) = 1', '1  unlink("../v") = 0'],
      { "/a": "" },
    ],
    [
      "executing closes what is to be closed then",
      ['1  execve("/bin/x", ["x"], 0x7f /* 3 vars */) = 0', '1  write(3</o>, "x", 1) = 1'],
      { "/a": "" },
    ],
  ])("%s", (_what, lines, expected) => {
    const trace = traceOf([openNew, ...lines])
    expect(trace.notes).toEqual([])
    expect(endOf(trace)).toEqual(expected)
  })
})

describe("what a sync keeps", () => {
  const write = '1  write(3</w/a>, "abc", 3) = 3'

  test("a file's sync keeps its bytes and its size, not its name", () => {
    expect(durableOf(traceOf([openNew, write, "1  fsync(3</w/a>) = 0"]))).toEqual({})
    expect(durableOf(traceOf([openNew, write, "1  fdatasync(3</w/a>) = 0", openDirectory, syncDirectory]))).toEqual({
      "/a": "abc",
    })
    expect(durableOf(traceOf([openNew, write, openDirectory, syncDirectory]))).toEqual({ "/a": "" })
  })

  test("a journal keeps the names as well, where the file has grown or is new", () => {
    expect(durableOf(traceOf([openNew, write, "1  fdatasync(3</w/a>) = 0"], { hasJournal: true }))).toEqual({
      "/a": "abc",
    })
  })

  test("a data sync in place writes no journal", () => {
    const first = [openNew, write, "1  fdatasync(3</w/a>) = 0", '1  creat("b", 0644) = 4</w/b>']
    const again = [...first, '1  pwrite64(3</w/a>, "x", 1, 0) = 1']
    expect(durableOf(traceOf([...again, "1  fdatasync(3</w/a>) = 0"], { hasJournal: true }))).toEqual({ "/a": "xbc" })
    expect(durableOf(traceOf([...again, "1  fsync(3</w/a>) = 0"], { hasJournal: true }))).toEqual({
      "/a": "xbc",
      "/b": "",
    })
  })

  test.each(["O_DSYNC", "O_SYNC"])("a write to a file opened with %s is synced when it returns", (flag) => {
    const open = `1  openat(AT_FDCWD</w>, "a", O_RDWR|O_CREAT|${flag}, 0666) = 3</w/a>`
    const trace = traceOf([open, openDirectory, syncDirectory, write])
    expect(durableOf(trace)).toEqual({ "/a": "abc" })
    expect(trace.syncs.map(({ path }) => path)).toEqual(["/", "/a"])
  })

  test("a write that asks for it is synced by itself", () => {
    const asked = '1  pwritev2(3</w/a>, [{iov_base="x", iov_len=1}], 1, 0, RWF_DSYNC) = 1'
    expect(
      durableOf(traceOf([openNew, openDirectory, syncDirectory, asked, '1  pwrite64(3</w/a>, "y", 1, 0) = 1'])),
    ).toEqual({ "/a": "x" })
  })

  test("a sync that has not returned, or has failed, keeps nothing", () => {
    const start = [openNew, openDirectory, syncDirectory, write]
    expect(durableOf(traceOf([...start, "1  fsync(3</w/a> <unfinished ...>"]))).toEqual({ "/a": "" })
    const failed = [...start, "1  fsync(3</w/a>) = -1 EIO (Input/output error)"]
    expect(durableOf(traceOf([...failed, "1  fsync(3</w/a>) = 0"]))).toEqual({ "/a": "" })
  })

  test("what another thread wrote while a sync was under way is not kept by it", () => {
    const lines = [
      openNew,
      openDirectory,
      syncDirectory,
      "1  clone(flags=CLONE_FILES) = 2",
      "1  fsync(3</w/a> <unfinished ...>",
    ]
    const late = ['2  pwrite64(3</w/a>, "late", 4, 0) = 4', "1  <... fsync resumed>) = 0"]
    expect(durableOf(traceOf([...lines, ...late]))).toEqual({ "/a": "" })
  })

  test("a file in a directory that was synced is there whenever the directory's own name is", () => {
    const inside = [
      '1  mkdir("d", 0777) = 0',
      '1  creat("d/a", 0644) = 3</w/d/a>',
      '1  open("d", O_RDONLY) = 4</w/d>',
      "1  fsync(4</w/d>) = 0",
    ]
    const more = Array.from({ length: 70 }, () => "1  fsync(4</w/d>) = 0")
    expect(endOf(traceOf([...inside, ...more]))).toEqual({ "/d/a": "" })
    expect(durableOf(traceOf([...inside, ...more]))).toEqual({})
  })

  test("sync keeps everything", () => {
    expect(durableOf(traceOf([openNew, write, "1  sync() = 0"]))).toEqual({ "/a": "abc" })
    expect(durableOf(traceOf([openNew, write, "1  syncfs(3</w/a>) = 0"]))).toEqual({ "/a": "abc" })
  })
})

describe("what the program says", () => {
  test("counts from its own moment on, exactly", () => {
    const trace = traceOf([
      openNew,
      openDirectory,
      syncDirectory,
      String.raw`1  write(1<pipe:[7]>, "begun 1\n", 8) = 8`,
      '1  write(3</w/a>, "x", 1) = 1',
      "1  fdatasync(3</w/a> <unfinished ...>",
      String.raw`2  write(4</elsewhere>, "acknowledged 9\n", 15) = 15`,
      "1  <... fdatasync resumed>) = 0",
      String.raw`1  write(1<pipe:[7]>, "acknowledged 1\nopened\nackn", 26) = 26`,
      '1  write(3</w/a>, "y", 1) = 1',
      String.raw`1  write(1<pipe:[7]>, "owledged \"two\"\nnothing\n", 23) = 23`,
    ])
    expect([trace.acknowledged, trace.begun]).toEqual([[1, "two"], [1]])
    expect(trace.syncs).toMatchObject([{ acknowledged: 0 }, { acknowledged: 0, path: "/a" }])
    const said = [...tracedStates(trace, { seed: 0, limit: 1_000, persistence: "posix" })].map((traced) => ({
      text: filesOf(traced.state.mount().files())["/a"],
      acknowledged: traced.acknowledged.length,
      inFlight: traced.inFlight.length,
    }))
    // The byte may be there before the word, and never the word without the byte.
    expect(said).toContainEqual({ text: "x", acknowledged: 0, inFlight: 1 })
    expect(said).toContainEqual({ text: "", acknowledged: 0, inFlight: 1 })
    expect(
      said.filter(({ acknowledged }) => acknowledged > 0).every(({ text }) => text?.startsWith("x") === true),
    ).toBe(true)
    expect(said).toContainEqual({ text: "x", acknowledged: 2, inFlight: 0 })
    expect(said).toContainEqual({ text: "xy", acknowledged: 2, inFlight: 0 })
  })

  test("a small share of many states still has every moment", () => {
    const large = `1  pwrite64(3</w/a>, "${"z".repeat(20_000)}", 20000, 0) = 20000`
    const lines = [
      openNew,
      openDirectory,
      syncDirectory,
      large,
      "1  fdatasync(3</w/a>) = 0",
      '1  pwrite64(3</w/a>, "q", 1, 0) = 1',
    ]
    const trace = traceOf(lines)
    const all = [...tracedStates(trace, { seed: 0, limit: 1_000_000, persistence: "posix" })]
    const few = [...tracedStates(trace, { seed: 0, limit: 40, persistence: "posix" })]
    expect(all.length).toBeGreaterThan(150)
    expect(few.length).toBeLessThan(45)
    const moments = (states: typeof all): number => new Set(states.map(({ state }) => state.eventCount)).size
    expect(moments(few)).toBe(moments(all))
  })
})

describe("what cannot be followed is noted", () => {
  test.each([
    [
      "a shared mapping that is written",
      "1  mmap(NULL, 4096, PROT_READ|PROT_WRITE, MAP_SHARED, 3</w/a>, 0) = 0x7f00",
      "/a is written through a shared mapping",
    ],
    ["a ring", "1  io_uring_setup(8, {flags=0}) = 7", "io_uring was used"],
    ["a file from elsewhere", '1  rename("/v/b", "b") = 0', "goes across the directory's border"],
    ["a copy from elsewhere", "1  sendfile(3</w/a>, 8</v/b>, NULL, 5) = 5", "was copied from elsewhere"],
    ["a clone of blocks", "1  ioctl(3</w/a>, BTRFS_IOC_CLONE or FICLONE, 4</v>) = 0", "was made by a clone of blocks"],
    ["a symbolic link", '1  symlink("a", "/w/l") = 0', "/l is a symbolic link"],
    ["a file that nobody made", '1  open("b", O_RDWR) = 4</w/b>', "/b was opened, and was not seen being made"],
    ["a descriptor from nowhere", '1  write(44</w/a>, "x", 1) = 1', "was not seen being opened"],
    ["a name that cannot be", '1  unlink("b") = 0', "unlink could not be followed"],
  ])("%s", (_what, line, expected) => {
    expect(traceOf([openNew, line]).notes.join("\n")).toContain(expected)
  })

  test("a mapping that is private or only read, and a question, are none of these", () => {
    const read = "1  mmap(NULL, 4096, PROT_READ, MAP_SHARED, 3</w/a>, 0) = 0x7f00"
    const own = "1  mmap(NULL, 4096, PROT_READ|PROT_WRITE, MAP_PRIVATE, 3</w/a>, 0) = 0x7f00"
    const asking = "1  ioctl(3</w/a>, FS_IOC_GETFLAGS, [0]) = 0"
    expect(traceOf([openNew, read, own, asking]).notes).toEqual([])
  })

  test("a write that strace has cut short is refused", () => {
    expect(() => traceOf([openNew, '1  write(3</w/a>, "abc"..., 9999) = 9999'])).toThrow("9999 bytes is too large")
  })
})
