// The few numbers that stand for the rounds of a benchmark.

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
