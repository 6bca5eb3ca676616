// Reading strace's output, on lines as strace 6.1 writes them.

import { describe, expect, test } from "vitest"
import {
  bytesOf,
  isShortened,
  numberOf,
  pathBehind,
  systemCallsOf,
  textOf,
  type SystemCall,
} from "../../src/testing/system-trace-calls.ts"

function callsIn(...lines: readonly string[]): readonly SystemCall[] {
  return systemCallsOf(Buffer.from(`${lines.join("\n")}\n`)).calls
}

function text(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("latin1")
}

describe("a line of strace", () => {
  test("is a call with its arguments and its result", () => {
    const [call] = callsIn(String.raw`17  pwrite64(5<\x2f\x64\x2f\x61>, "\x61\x62\x63", 3, 4096) = 3`)
    expect(call).toMatchObject({ pid: 17, name: "pwrite64", result: 3, error: undefined, enteredAt: 0, leftAt: 0 })
    expect(call?.args.slice(1)).toEqual([String.raw`"\x61\x62\x63"`, "3", "4096"])
    expect(pathBehind(call?.args[0])).toBe("/d/a")
    expect(text(bytesOf(call?.args[1] ?? ""))).toBe("abc")
  })

  test("tells the path behind the descriptor that it returns", () => {
    const [call] = callsIn(
      String.raw`17  openat(AT_FDCWD<\x2f\x77>, "\x61", O_RDWR|O_CREAT, 0644) = 21<\x2f\x77\x2f\x61>`,
    )
    expect(call).toMatchObject({ result: 21, resultPath: "/w/a" })
    expect([pathBehind(call?.args[0]), textOf(call?.args[1]), textOf(call?.args[2])]).toEqual(["/w", "a", undefined])
  })

  test("tells that a file is deleted, which is no part of its path", () => {
    const [call] = callsIn(String.raw`17  dup(3</d/a>) = 4</d/a (deleted)>`)
    expect(call?.resultPath).toBe("/d/a")
  })

  test("has the name of an error, and no result that counts", () => {
    const [call] = callsIn(String.raw`17  mkdir("\x61", 0777)       = -1 EEXIST (File exists)`)
    expect(call).toMatchObject({ name: "mkdir", error: "EEXIST", result: -1 })
  })

  test("may say that the call is to be made again, or that the process died in it", () => {
    const [again, died] = callsIn(
      "17  fsync(3</d/a>) = ? ERESTARTSYS (To be restarted if SA_RESTART is set)",
      "17  fsync(3</d/a>) = ?",
    )
    expect(again).toMatchObject({ error: "ERESTARTSYS", result: undefined, leftAt: 0 })
    expect(died).toMatchObject({ error: undefined, result: undefined, leftAt: undefined })
  })

  test("has numbers in any form", () => {
    const forms = ["17", "-1", "0x11", "5</d/a>", "[4096]", "[0] => [7]"]
    expect(forms.map(numberOf)).toEqual([17, -1, 17, 5, 4096, 0])
    expect([numberOf("NULL"), numberOf(undefined)]).toEqual([Number.NaN, Number.NaN])
  })

  test("has raw arguments where it was asked to", () => {
    expect(callsIn("17  read(0x15, 0x7ffd1234, 0x340)  = 0x340")).toMatchObject([
      { args: ["0x15", "0x7ffd1234", "0x340"], result: 832 },
    ])
  })

  test("that is none is left out, and an end is told", () => {
    const output = ["17  --- SIGCHLD {si_signo=SIGCHLD} ---", "strace: oops", "", "17  +++ exited with 0 +++"].join(
      "\n",
    )
    expect(systemCallsOf(Buffer.from(output))).toEqual({ calls: [], exits: [{ pid: 17, at: 3 }] })
  })
})

describe("calls of several threads", () => {
  test("that interrupt each other's lines are put together, in the order of their entries", () => {
    const calls = callsIn(
      String.raw`17  openat(AT_FDCWD</d>, "\x61", O_WRONLY|O_CREAT, 0666 <unfinished ...>`,
      String.raw`18  fdatasync(4</d/b> <unfinished ...>`,
      String.raw`17  <... openat resumed>)             = 21</d/a>`,
      String.raw`19  write(1</o>, "\x6b", 1)           = 1`,
      String.raw`18  <... fdatasync resumed>)          = 0`,
    )
    expect(calls.map(({ pid, name, enteredAt, leftAt, result }) => [pid, name, enteredAt, leftAt, result])).toEqual([
      [17, "openat", 0, 2, 21],
      [18, "fdatasync", 1, 4, 0],
      [19, "write", 3, 3, 1],
    ])
    expect(calls[0]?.args).toHaveLength(4)
  })

  test("that never return are there without an end", () => {
    expect(callsIn(String.raw`17  fsync(3</d/a> <unfinished ...>`)).toMatchObject([
      { name: "fsync", result: undefined, leftAt: undefined, args: ["3</d/a>"] },
    ])
  })

  test("keep arguments that only the second half of the line has", () => {
    const [call] = callsIn(
      String.raw`17  clone3({flags=CLONE_VM|CLONE_FILES, exit_signal=0} <unfinished ...>`,
      String.raw`17  <... clone3 resumed> => {parent_tid=[18]}, 88) = 18`,
    )
    expect(call).toMatchObject({
      result: 18,
      args: ["{flags=CLONE_VM|CLONE_FILES, exit_signal=0} => {parent_tid=[18]}", "88"],
    })
  })
})

describe("the bytes of an argument", () => {
  test.each([
    [String.raw`"\x00\xff\x0a"`, "\x00\xff\n"],
    [String.raw`"a\n\t\r\v\f\\\"b"`, 'a\n\t\r\v\f\\"b'],
    [String.raw`"\0\1\12\377z"`, "\x00\x01\n\xffz"],
    [String.raw`"(a, b) = 3 [x] {y} <z>"`, "(a, b) = 3 [x] {y} <z>"],
    [String.raw`[{iov_base="\x64\x65", iov_len=2}, {iov_base="\x66", iov_len=1}]`, "def"],
    [`""`, ""],
  ])("%s", (argument, expected) => {
    expect(text(bytesOf(argument))).toBe(expected)
  })

  test("are those of the whole call, whatever delimiters are in them", () => {
    const [call] = callsIn(String.raw`17  write(3</d/a>, "x\", 9) = 9, (", 11) = 11`)
    expect(call).toMatchObject({ result: 11, args: ["3</d/a>", String.raw`"x\", 9) = 9, ("`, "11"] })
  })

  test("that strace has cut are told", () => {
    expect([isShortened(String.raw`"\x61"...`), isShortened(String.raw`[{iov_base="\x61", iov_len=1}, ...]`)]).toEqual([
      true,
      true,
    ])
    expect(isShortened(String.raw`"\x61\x2e\x2e\x2e"`)).toBe(false)
  })
})
