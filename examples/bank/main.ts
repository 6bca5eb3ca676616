// `node examples/bank/main.ts [seed]`: the crash test finds the mistake in the first transfer, and none in the second.

import { crash, CrashFound } from "../../src/testing.ts"
import { bankTest, type TransferName } from "./crash-test.ts"

const [seedText] = process.argv.slice(2)
const seed = seedText === undefined ? {} : { seed: Number(seedText) }

for (const transfer of ["transferInTwoCommits", "transfer"] satisfies TransferName[]) {
  console.log(`\n${transfer}`)
  try {
    const { histories, states, statesPerSecond } = await crash.assert({ ...bankTest(transfer), ...seed })
    console.log(`held in ${states} crash states of ${histories} histories, ${statesPerSecond} a second`)
  } catch (error) {
    if (!(error instanceof CrashFound)) throw error
    console.log(error.message)
  }
}
