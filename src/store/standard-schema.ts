// What the store needs of a schema: the interface of Standard Schema 1, which Effect Schema, Zod, Valibot, ArkType and
// others implement. Structural, so that no package is needed for it.

export interface StandardSchema<Input = unknown, Output = Input> {
  readonly "~standard": {
    readonly version: 1
    readonly vendor: string
    readonly validate: (value: unknown) => SchemaResult<Output> | Promise<SchemaResult<Output>>
    readonly types?: { readonly input: Input; readonly output: Output } | undefined
  }
}

export type SchemaResult<Output> =
  | { readonly value: Output; readonly issues?: undefined }
  | { readonly issues: readonly SchemaIssue[] }

export interface SchemaIssue {
  readonly message: string
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined
}

/** One line an issue: `address.city: must be a string`. */
export function describeIssues(issues: readonly SchemaIssue[]): string[] {
  return issues.map(({ path, message }) => {
    const place = (path ?? []).map((part) => String(typeof part === "object" ? part.key : part)).join(".")
    return place === "" ? message : `${place}: ${message}`
  })
}
