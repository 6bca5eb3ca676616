// Builds dist from src, afresh: JavaScript, source maps and declarations, by the compiler alone.

import { rmSync } from "node:fs"
import { join } from "node:path"
import { root, run } from "./run.ts"

rmSync(join(root, "dist"), { recursive: true, force: true })
run("tsc", ["-p", "tsconfig.build.json"])
