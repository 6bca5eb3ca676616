// Before each test file: no probe was reached yet. Files share a process, and a branch that another file has reached must
// not count for this one.

import { forgetProbes } from "../src/model/invariant.ts"

forgetProbes()
