// in-doubt and decide, as a shell meets them: real processes on real directories.

import { expect, test } from "vitest"
import { open } from "../../src/index.ts"
import { temporaryDirectory } from "../store/temporary-store.ts"
import { runTool } from "./run-tool.ts"

async function storeWith(ids: readonly string[]): Promise<string> {
  const path = await temporaryDirectory()
  await using store = await open(path)
  for (const id of ids) {
    await store.transact((tx) => {
      tx.put(store.table("t"), id, 1)
      tx.prepare(id, { from: "west", at: 5n })
    })
  }
  return path
}

test("what is in doubt is listed, decided, and not listed any more", async () => {
  const path = await storeWith(["T1", "T2"])
  const listed = await runTool(["in-doubt", path])
  expect(listed).toMatchObject({ exitCode: 0, stderr: "" })
  expect(listed.stdout.split("\n")[0]).toMatch(
    /^"T1" {2}since 20\d\d-[0-9T:.-]+Z, \d+ s {2}1 key in t {2}commit \d+ {2}\{"from":"west","at":\{"\$bigint":"5"\}\}$/,
  )
  expect((await runTool(["stats", path])).stdout).toMatch(/^in doubt +2 transactions; orrery in-doubt lists them$/m)
  const committed = await runTool(["decide", path, "T1", "commit"])
  expect(committed).toMatchObject({ exitCode: 0, stderr: "" })
  expect(committed.stdout).toMatch(/^committed, as commit \d+\n$/)
  const aborted = await runTool(["decide", path, "T2", "abort", "--reason", "said the other side", "--json"])
  expect(aborted).toMatchObject({ exitCode: 0, stderr: "" })
  expect(JSON.parse(aborted.stdout)).toEqual({ id: "T2", outcome: "aborted", lsn: expect.any(Number) })
  const json = await runTool(["in-doubt", path, "--json"])
  expect(json).toMatchObject({ exitCode: 0, stderr: "" })
  expect(JSON.parse(json.stdout)).toEqual({ inDoubt: [] })
  await using store = await open(path)
  expect([...store.table("t").keys()]).toEqual(["T1"])
  expect(store.outcome("T2")).toMatchObject({ outcome: "aborted", reason: "said the other side" })
})

test("a wrong id, a wrong word and the other decision are refused, with what to do", async () => {
  const path = await storeWith(["T1"])
  expect(await runTool(["decide", path, "T1", "perhaps"])).toMatchObject({ exitCode: 2, stdout: "" })
  expect(await runTool(["decide", path, "T1", "commit", "--reason", "x"])).toMatchObject({ exitCode: 2, stdout: "" })
  const unknown = await runTool(["decide", path, "T9", "commit"])
  expect(unknown.exitCode).toBe(1)
  expect(unknown.stderr).toMatch(/^orrery: no prepared transaction "T9" is known\nremedy: .+\n$/)
  await runTool(["decide", path, "T1", "abort"])
  const late = await runTool(["decide", path, "T1", "commit", "--json"])
  expect(JSON.parse(late.stderr)).toMatchObject({ error: { code: "ORRERY_ALREADY_DECIDED" } })
})
