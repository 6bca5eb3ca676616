// What somebody sees whose Node is too old.

import { spawnSync } from "node:child_process"
import { expect, test } from "vitest"
import { requireNode } from "../../src/platform/node/required-node.ts"

test.each(["22.18.0", "22.30.1", "23.0.0", "24.21.0", "100.0.0"])("Node %s is new enough", (version) => {
  expect(() => requireNode(version)).not.toThrow()
})

test.each(["0.12.18", "18.20.8", "20.20.2", "22.17.1", "22.4.0"])("Node %s is too old, which is said", (version) => {
  expect(() => requireNode(version)).toThrow(`orrery-db needs Node 22.18 or newer, and this is ${version}`)
})

test("importing the package with a Node that is too old ends with that line", () => {
  const door = new URL("../../src/index.ts", import.meta.url).href
  const program = `Object.defineProperty(process.versions, "node", { value: "20.20.2" }); await import("${door}")`
  const { stderr, status } = spawnSync(process.execPath, ["--input-type=module", "-e", program], { encoding: "utf8" })
  expect(status).toBe(1)
  expect(stderr).toContain("Error: orrery-db needs Node 22.18 or newer, and this is 20.20.2")
  expect(stderr).toContain("ORRERY_NODE_TOO_OLD")
})
