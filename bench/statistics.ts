// The few numbers that stand for the rounds of a benchmark, or for the course of a long one.

export function medianOf(values: readonly number[]): number {
  const sorted = values.toSorted((left, right) => left - right)
  const middle = sorted.length >> 1
  if (sorted.length % 2 === 1) return sorted[middle] as number
  return ((sorted[middle - 1] ?? Number.NaN) + (sorted[middle] ?? Number.NaN)) / 2
}

/** Median, then lowest and highest in brackets; a single value stands alone. */
export function spread(values: readonly number[], format: (value: number) => string): string {
  if (values.length === 0) return "–"
  if (values.length === 1) return format(values[0] as number)
  return `${format(medianOf(values))} [${format(Math.min(...values))} … ${format(Math.max(...values))}]`
}

/** The straight line through values that are as far apart as each other, by least squares. */
export interface Trend {
  /** From one value to the next. */
  readonly slope: number
  /** Of the slope: two of them to either side hold it in nineteen cases of twenty, if the noise is noise. */
  readonly slopeError: number
  readonly mean: number
}

export function trendOf(values: readonly number[]): Trend {
  const count = values.length
  const mean = values.reduce((sum, value) => sum + value, 0) / count
  const middle = (count - 1) / 2
  let products = 0
  let squares = 0
  for (const [index, value] of values.entries()) {
    products += (index - middle) * (value - mean)
    squares += (index - middle) ** 2
  }
  const slope = products / squares
  let rest = 0
  for (const [index, value] of values.entries()) rest += (value - mean - slope * (index - middle)) ** 2
  return { slope, slopeError: Math.sqrt(rest / (count - 2) / squares), mean }
}
