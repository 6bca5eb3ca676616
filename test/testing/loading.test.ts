// What importing the door for tests loads: fast-check is loaded by the first arbitrary, and by nothing else.

import { spawnSync } from "node:child_process"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import { expect, test } from "vitest"

const door = pathToFileURL(join(import.meta.dirname, "../../src/testing.ts")).href

/** Packages that a program asks for, in order. */
function packagesLoadedBy(program: string): readonly string[] {
  const watcher = `
    import { registerHooks } from "node:module"
    registerHooks({
      resolve(specifier, context, next) {
        if (!/^(node:|file:|data:|[./])/.test(specifier)) console.log(specifier)
        return next(specifier, context)
      },
    })
    const { crash } = await import(${JSON.stringify(door)})
    const options = {
      open: ({ fileSystem }) => fileSystem,
      run: () => undefined,
      invariant: () => undefined,
      budget: { histories: 1, states: 1, nested: 0 },
    }
    ${program}
  `
  const { status, stdout, stderr } = spawnSync(process.execPath, ["--input-type=module", "--eval", watcher], {
    encoding: "utf8",
    cwd: join(import.meta.dirname, "../.."),
  })
  expect(status, stderr).toBe(0)
  return stdout.split("\n").filter((line) => line !== "")
}

test("importing the door, and testing a history that is an array, loads no package", () => {
  expect(packagesLoadedBy("await crash.assert({ ...options, ops: [1] })")).toEqual([])
})

test("an arbitrary loads fast-check", () => {
  const program = `
    const { array, nat } = await import("fast-check")
    console.log("---")
    await crash.assert({ ...options, ops: array(nat()) })
  `
  const loaded = packagesLoadedBy(program)
  expect(loaded.slice(loaded.indexOf("---") + 1)).toEqual(["fast-check"])
})
