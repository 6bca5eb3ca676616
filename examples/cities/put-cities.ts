// Writes cities with a bounded number of puts in flight: so many lanes take the next city from one iterator, each waiting
// for its own put. All puts that wait at the same moment share one write and one sync of the disk.

import type { TableHandle } from "../../src/index.ts"
import { keyOf } from "./data-set.ts"
import type { City } from "./data-set.ts"

/** Puts that may wait for the disk at the same time. */
export const IN_FLIGHT_COUNT_MAX = 512

export interface PutOptions {
  /** Called before each put, which waits for the promise if there is one. */
  readonly beforePut?: () => Promise<void> | undefined
  /** Called when a put is acknowledged: the city is on disk. */
  readonly onAcknowledged?: (city: City) => void
  /** Starts no more puts. Those in flight are waited for. */
  readonly signal?: AbortSignal
}

/** Resolves when every put was acknowledged, or those in flight were after the signal. */
export async function putCities(
  table: TableHandle<City>,
  cities: readonly City[],
  { beforePut, onAcknowledged, signal }: PutOptions = {},
): Promise<void> {
  const remaining = cities.values()
  const lane = async (): Promise<void> => {
    for (const city of remaining) {
      const turn = beforePut?.()
      if (turn !== undefined) await turn
      if (signal?.aborted === true) return
      await table.put(keyOf(city), city)
      onAcknowledged?.(city)
    }
  }
  await Promise.all(Array.from({ length: IN_FLIGHT_COUNT_MAX }, lane))
}
