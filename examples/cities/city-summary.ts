// A live summary of the cities: what a subscriber makes of the change feed, commit by commit.

import type { Commit } from "../../src/index.ts"
import type { City } from "./data-set.ts"

export interface Summary {
  readonly cityCount: number
  readonly countries: ReadonlySet<string>
  readonly biggest: City | undefined
  readonly population: number
}

export const EMPTY_SUMMARY: Summary = { cityCount: 0, countries: new Set(), biggest: undefined, population: 0 }

/** The summary after one more commit. Requires: every city is put once, so that nothing has to be taken back. */
export function summarize(summary: Summary, commit: Commit): Summary {
  let { cityCount, countries, biggest, population } = summary
  for (const change of commit.changes) {
    const city = change.value as City
    cityCount++
    population += city.population
    if (!countries.has(city.country)) countries = new Set([...countries, city.country])
    if (biggest === undefined || city.population > biggest.population) biggest = city
  }
  return { cityCount, countries, biggest, population }
}

/** In a line for people; empty before the first city. */
export function describeSummary({ cityCount, countries, biggest, population }: Summary): string {
  if (biggest === undefined) return ""
  const millions = (people: number): string => `${(people / 1e6).toFixed(1)} M`
  return (
    `subscriber: ${cityCount.toLocaleString("en")} cities in ${countries.size} countries, ` +
    `${millions(population)} people, ${biggest.name} ${millions(biggest.population)}`
  )
}
