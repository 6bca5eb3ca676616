// Builds dist from src, afresh. Declarations are the compiler's, one a module. The code is bundled into few files, because
// loading a hundred small ones takes longer than running them: each door, what doors share, and what only `open` loads.

import { rmSync } from "node:fs"
import { join } from "node:path"
import { build } from "rolldown"
import { root, run } from "./run.ts"

const dist = join(root, "dist")

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
  // What is installed beside the package stays outside of it.
  external: /^[^./]/,
  output: {
    dir: dist,
    format: "esm",
    sourcemap: true,
    // Beside the doors, so that a module finds the worker's wherever it was bundled.
    chunkFileNames: "[name].js",
  },
  logLevel: "warn",
})
