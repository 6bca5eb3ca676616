// Seeds of parts from the seed of the whole, so that what one part draws does not move what another one draws.

import { mix } from "../simulation/fingerprint.ts"

/** A seed for the part: an unsigned 32-bit integer. */
export function seedFrom(seed: number, part: string | number): number {
  const low = mix(seed | 0, Math.floor(seed / 2 ** 32) | 0)
  if (typeof part === "number") return mix(low, part) >>> 0
  let sum = low
  for (let index = 0; index < part.length; index++) sum = mix(sum, part.charCodeAt(index))
  return sum >>> 0
}
