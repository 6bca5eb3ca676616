// The recorder, and the examples of its document.

import { execFileSync } from "node:child_process"
import { readFileSync } from "node:fs"
import { describe, expect, test } from "vitest"
import { check } from "../../src/testing.ts"
import type { ListOperation } from "../../src/testing.ts"

describe("a recorder", () => {
  test("gives every begin and end its place in one order", () => {
    const recorder = check.recorder<string, number>()
    const first = recorder.begin("a", "add")
    const second = recorder.begin("b", "read")
    second.complete(0)
    recorder.crash()
    first.complete(1, { durable: false })
    expect(recorder.history()).toEqual({
      entries: [
        { process: "a", operation: "add", result: 1, outcome: "committed", invoked: 0, completed: 4, durable: false },
        { process: "b", operation: "read", result: 0, outcome: "committed", invoked: 1, completed: 2 },
      ],
      crashes: [3],
    })
  })

  test("keeps why an operation failed, and what it turned out to be", () => {
    const recorder = check.recorder<readonly string[]>()
    recorder.begin(1, []).fail(new Error("conflict"), ["put"])
    recorder.begin(1, ["get"]).unknown("no answer")
    expect(recorder.history().entries).toEqual([
      { process: 1, operation: ["put"], outcome: "aborted", invoked: 0, completed: 1, error: "conflict" },
      { process: 1, operation: ["get"], outcome: "unknown", invoked: 2, completed: 3, error: "no answer" },
    ])
  })

  test("takes what was never ended as unknown", () => {
    const recorder = check.recorder()
    recorder.begin(1, "write")
    expect(recorder.history().entries).toEqual([{ process: 1, operation: "write", outcome: "unknown", invoked: 0 }])
  })

  test("gives a history that does not change with what is recorded later", () => {
    const recorder = check.recorder()
    const open = recorder.begin(1, "write")
    const before = recorder.history()
    open.complete()
    recorder.crash()
    expect(before).toEqual({
      entries: [{ process: 1, operation: "write", outcome: "unknown", invoked: 0 }],
      crashes: [],
    })
  })

  test("refuses a second end, and a second begin of a process", () => {
    const recorder = check.recorder()
    const open = recorder.begin(1, "write")
    expect(() => recorder.begin(1, "read")).toThrow(/process 1 begins an operation before it ended the last one/)
    open.complete()
    expect(() => open.fail()).toThrow(/ended already/)
    recorder.begin(1, "read")
    expect(() => open.complete()).toThrow(/ended already/)
  })

  test("goes through JSON unchanged, and so do the verdicts", () => {
    const recorder = check.recorder<readonly ListOperation[], readonly ListOperation[]>()
    const writer = recorder.begin("w", [{ kind: "append", key: "x", value: 1 }])
    writer.complete()
    recorder.crash()
    recorder.begin("r", []).complete([{ kind: "read", key: "x", values: [] }])
    const text = JSON.stringify(recorder)
    const history = check.parseHistory<readonly ListOperation[], readonly ListOperation[]>(text)
    expect(history).toEqual(recorder.history())
    expect(check.listAppend(history, { model: "serializable" }).anomalies.map(({ type }) => type)).toEqual([
      "lost-write",
    ])
  })

  test("reads no text that is not a history", () => {
    expect(() => check.parseHistory("{}")).toThrow(/an object with a list of entries/)
    expect(() => check.parseHistory('{"entries":[{"process":1,"outcome":"done"}]}')).toThrow(/entry 0 .* no outcome/)
    expect(() => check.parseHistory("no JSON")).toThrow(SyntaxError)
  })
})

describe("docs/checking-histories.md", () => {
  const text = readFileSync(new URL("../../docs/checking-histories.md", import.meta.url), "utf8")
  const examples = [...text.matchAll(/```js\n(.*?)```/gs)].map(([, code = ""]) => code)

  test.each([
    [0, ["false G2-item", /^T0 rw→ T1 rw→ T0 cannot be put in an order: T0 read "x" as \[\], without 2, which T1/]],
    [1, ["invalid 2", /^no order of the operations explains the result of entry 2/]],
  ])("example %i runs, and prints what it says", (index, expected) => {
    const door = new URL("../../src/testing.ts", import.meta.url).href
    const code = (examples[index] ?? "").replace("orrery-db/testing", door)
    const printed = execFileSync(process.execPath, ["--input-type=module", "--eval", code], { encoding: "utf8" })
      .trim()
      .split("\n")
    expect(examples).toHaveLength(2)
    expect(printed).toHaveLength(expected.length)
    for (const [line, pattern] of expected.entries()) expect(printed[line]).toMatch(pattern)
  })
})
