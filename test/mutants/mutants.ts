// All the mutants, in the order of the way that a write takes: to the log, through a crash, into a checkpoint, out again.

import type { Mutant } from "./mutant.ts"
import { changesMutants } from "./mutants-of-changes.ts"
import { consumerMutants } from "./mutants-of-consumers.ts"
import { checkpointMutants } from "./mutants-of-checkpoints.ts"
import { compressionMutants } from "./mutants-of-compression.ts"
import { indexMutants } from "./mutants-of-indexes.ts"
import { expiryMutants } from "./mutants-of-expiry.ts"
import { merkleMutants } from "./mutants-of-merkle.ts"
import { liveQueryMutants } from "./mutants-of-live-queries.ts"
import { logMutants } from "./mutants-of-the-log.ts"
import { metadataMutants } from "./mutants-of-metadata.ts"
import { platformMutants } from "./mutants-of-the-platform.ts"
import { preparedMutants } from "./mutants-of-prepared-transactions.ts"
import { recoveryMutants } from "./mutants-of-recovery.ts"
import { restartMutants } from "./mutants-of-restarts.ts"
import { storeMutants } from "./mutants-of-the-store.ts"
import { transactionMutants } from "./mutants-of-transactions.ts"

export const mutants: readonly Mutant[] = [
  ...platformMutants,
  ...logMutants,
  ...recoveryMutants,
  ...checkpointMutants,
  ...storeMutants,
  ...compressionMutants,
  ...indexMutants,
  ...expiryMutants,
  ...transactionMutants,
  ...preparedMutants,
  ...metadataMutants,
  ...restartMutants,
  ...changesMutants,
  ...consumerMutants,
  ...merkleMutants,
  ...liveQueryMutants,
]

/** The one that ORRERY_MUTANT names; undefined where it names none. Throws for a name that no mutant has. */
export function chosenMutant(environment: Readonly<Record<string, string | undefined>>): Mutant | undefined {
  const name = environment["ORRERY_MUTANT"]
  if (name === undefined || name === "") return undefined
  const mutant = mutants.find((candidate) => candidate.name === name)
  if (mutant === undefined) throw new Error(`there is no mutant "${name}"`)
  return mutant
}
