// Builds dist from src, afresh. Declarations are the compiler's, one a module. The code is bundled into few files, because
// loading a hundred small ones takes longer than running them: each door, what doors share, and what only `open` loads.

import { copyFileSync, rmSync } from "node:fs"
import { join } from "node:path"
import { build } from "rolldown"
import { root, run } from "./run.ts"

const dist = join(root, "dist")

/**
 * What is installed beside the package stays outside of it, but for the parts of Effect that actors run on: bundled,
 * without what they do not use, they are loaded in 15 ms; as 65 modules of their own they took 80 ms of every first open.
 * What meets an application's own Effect (`orrery-db/effect`, `orrery-db/observability`) takes the installed one.
 */
function isExternal(id: string, importer: string | undefined): boolean {
  if (/^[./]/.test(id) || importer === undefined) return false
  const isActors = id.startsWith("effect/") && importer.startsWith(join(root, "src/actors/"))
  return !isActors && !/[/\\]node_modules[/\\]effect[/\\]/.test(importer)
}

rmSync(dist, { recursive: true, force: true })
run("tsc", ["-p", "tsconfig.build.json"])
await build({
  input: {
    index: join(root, "src/index.ts"),
    effect: join(root, "src/effect.ts"),
    observability: join(root, "src/observability.ts"),
    testing: join(root, "src/testing.ts"),
    bin: join(root, "src/bin.ts"),
    "checkpoint-worker": join(root, "src/checkpoint-worker.ts"),
  },
  platform: "node",
  external: isExternal,
  output: {
    dir: dist,
    format: "esm",
    sourcemap: true,
    // Beside the doors, so that a module finds the worker's wherever it was bundled.
    chunkFileNames: "[name].js",
  },
  logLevel: "warn",
})
copyFileSync(join(root, "node_modules/effect/LICENSE"), join(dist, "effect.LICENSE"))
