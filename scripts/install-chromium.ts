// `node scripts/install-chromium.ts`: installs Debian's Chromium, for the test of examples/board in a browser, which is
// left out where there is none. Needs apt and the right to use it; does nothing where Chromium is there already.

import { spawnSync } from "node:child_process"
import { existsSync } from "node:fs"

const PATH = "/usr/bin/chromium"

function apt(...words: readonly string[]): void {
  const { status } = spawnSync("apt-get", words, {
    stdio: "inherit",
    env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" },
  })
  if (status !== 0) throw new Error(`apt-get ${words.join(" ")} ended with ${String(status)}`)
}

if (!existsSync(PATH)) {
  apt("update")
  apt("install", "--yes", "--no-install-recommends", "chromium")
}
console.log(`${PATH} is there`)
