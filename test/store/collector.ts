// A collector of OpenTelemetry on the loopback: keeps what it is sent, and answers as it is told. Ends with the test.

import { createServer } from "node:http"
import type { IncomingHttpHeaders, Server } from "node:http"
import type { AddressInfo } from "node:net"
import { onTestFinished } from "vitest"

export interface Attribute {
  readonly key: string
  readonly value: { readonly stringValue?: string }
}

export interface Point {
  readonly attributes: readonly Attribute[]
  readonly asDouble?: number
  readonly startTimeUnixNano: string
  readonly timeUnixNano: string
  readonly count?: number
  readonly sum?: number
  readonly bucketCounts?: readonly number[]
  readonly explicitBounds?: readonly number[]
}

export interface SentMetric {
  readonly name: string
  readonly unit: string
  readonly gauge?: { readonly dataPoints: readonly Point[] }
  readonly sum?: {
    readonly dataPoints: readonly Point[]
    readonly isMonotonic: boolean
    readonly aggregationTemporality: number
  }
  readonly histogram?: { readonly dataPoints: readonly Point[]; readonly aggregationTemporality: number }
}

export interface SentRequest {
  readonly path: string
  readonly headers: IncomingHttpHeaders
  readonly resource: readonly Attribute[]
  readonly metrics: readonly SentMetric[]
}

interface Payload {
  readonly resourceMetrics: readonly {
    readonly resource: { readonly attributes: readonly Attribute[] }
    readonly scopeMetrics: readonly { readonly metrics: readonly SentMetric[] }[]
  }[]
}

export interface Collector {
  readonly url: string
  readonly requests: SentRequest[]
  /** The status of what it answers; undefined: it takes the request and never answers. */
  status: number | undefined
}

export async function startCollector(): Promise<Collector> {
  const requests: SentRequest[] = []
  const server: Server = createServer((request, response) => {
    let text = ""
    request.setEncoding("utf8").on("data", (part: string) => (text += part))
    request.on("end", () => {
      const [sent] = (JSON.parse(text) as Payload).resourceMetrics
      const metrics = sent?.scopeMetrics.flatMap((scope) => scope.metrics) ?? []
      const { url: path = "", headers } = request
      requests.push({ path, headers, resource: sent?.resource.attributes ?? [], metrics })
      if (collector.status !== undefined) response.writeHead(collector.status).end("{}")
    })
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  const collector: Collector = { url: `http://127.0.0.1:${port}/v1/metrics`, requests, status: 200 }
  return collector
}
