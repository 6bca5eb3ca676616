// The public door for those who watch a store with the tools that they have: its metrics, sent to an OpenTelemetry
// collector. Apart from the main door, because it brings an HTTP client along.

export { exportMetrics } from "./store/metrics-export.ts"
export type { MetricsExport, MetricsExportOptions } from "./store/metrics-export.ts"
