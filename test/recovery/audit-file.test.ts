// The file of the audit log on its own: what is no entry is counted, and a failure is told once, whatever fails behind it.

import { expect, test } from "vitest"
import { AUDIT_FILE } from "../../src/format/file-names.ts"
import { appendAudit, appendLines, auditLine, carryAudit, readAudit } from "../../src/recovery/audit-file.ts"
import { SimulatedDisk } from "../../src/simulation/simulated-disk.ts"
import { simulatePlatform } from "../../src/simulation/simulated-platform.ts"

const PATH = "/data"

async function diskWith(text: string): Promise<SimulatedDisk> {
  const disk = new SimulatedDisk()
  await disk.makeDirectory(PATH)
  if (text !== "") await appendLines(disk, PATH, text, true)
  return disk
}

const line = (kind: string): string => auditLine(0, kind, "a test", {})

test("lines that are no entries are counted: texts, numbers, nothing, and objects without what every entry has", async () => {
  const broken = [
    "half a li",
    "5",
    "null",
    '"text"',
    "{}",
    '{"time":"now","kind":"opened"}',
    '{"time":1,"kind":"a","owner":"b"}',
  ]
  const disk = await diskWith(`${line("opened")}${broken.join("\n")}\n\n${line("closed")}`)
  const { entries, brokenLines } = await readAudit(disk, PATH)
  expect(entries.map(({ kind }) => kind)).toEqual(["opened", "closed"])
  expect(brokenLines).toBe(broken.length)
})

test("a disk that cannot read it is StorageFailed, and carries nothing over; one that has none is empty", async () => {
  const disk = await diskWith(line("opened"))
  expect(await readAudit(await diskWith(""), PATH)).toEqual({ entries: [], brokenLines: 0 })
  await disk.makeDirectory("/other")
  disk.faults.add({ operation: 1, through: Infinity, only: ["read"], error: "EIO" })
  await expect(readAudit(disk, PATH)).rejects.toMatchObject({ _tag: "StorageFailed", systemCode: "EIO" })
  await carryAudit(disk, PATH, "/other")
  expect([...disk.files().keys()]).toEqual([`${PATH}/${AUDIT_FILE}`])
  disk.faults.clear()
  await carryAudit(disk, PATH, "/other")
  expect((await readAudit(disk, "/other")).entries).toMatchObject([{ kind: "opened" }])
  expect(disk.openFileCount).toBe(0)
})

test("lines follow each other, and only one that was torn is ended first", async () => {
  const disk = await diskWith(line("opened"))
  await appendLines(disk, PATH, line("checkpointed"), false)
  const bytesIn = (): string => Buffer.from(disk.files().get(`${PATH}/${AUDIT_FILE}`) ?? []).toString()
  expect(bytesIn()).toBe(line("opened") + line("checkpointed"))
  const handle = await disk.open(`${PATH}/${AUDIT_FILE}`, "write")
  await handle.truncate((await handle.size()) - 1)
  await handle.close()
  await appendLines(disk, PATH, line("closed"), true)
  expect(bytesIn()).toBe(line("opened") + line("checkpointed") + line("closed"))
})

test("a failed write is told by its own code, also where the half of it cannot be taken back", async () => {
  const disk = await diskWith(line("opened"))
  const operation = disk.operations.length + 1
  disk.faults.add({ operation, through: Infinity, only: ["write"], error: "ENOSPC", when: "after-part" })
  disk.faults.add({ operation, through: Infinity, only: ["truncate"], error: "EIO" })
  await expect(appendLines(disk, PATH, line("closed"), true)).rejects.toMatchObject({ code: "ENOSPC" })
  expect(disk.faults.hitCount).toBe(2)
  disk.faults.clear()
  // The half that is left is ended, so that the next entry has a line of its own.
  await appendLines(disk, PATH, line("closed"), true)
  expect(await readAudit(disk, PATH)).toMatchObject({
    entries: [{ kind: "opened" }, { kind: "closed" }],
    brokenLines: 1,
  })
  expect(disk.openFileCount).toBe(0)
})

test("an act whose entry cannot be written is told so, and a defect of the file system is passed on", async () => {
  const disk = await diskWith(line("opened"))
  const platform = simulatePlatform({ seed: 1, disk })
  expect(await appendAudit(platform, PATH, "salvaged", { records: 3 })).toBe(true)
  disk.faults.add({ operation: 1, through: Infinity, only: ["open"], error: "EACCES" })
  expect(await appendAudit(platform, PATH, "salvaged", {})).toBe(false)
  disk.faults.clear()
  const defect = new TypeError("a defect")
  disk.open = () => Promise.reject(defect)
  await expect(appendAudit(platform, PATH, "salvaged", {})).rejects.toBe(defect)
  await expect(carryAudit(disk, PATH, PATH)).rejects.toBe(defect)
})
