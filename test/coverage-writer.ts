// Has each test file write what V8 counted while it is still there to do so: vitest ends its processes without a word.

import { takeCoverage } from "node:v8"
import { afterAll } from "vitest"

afterAll(() => takeCoverage())
