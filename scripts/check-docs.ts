// `npm run docs`: says which links lead nowhere and which error codes lack a heading.

import { existsSync } from "node:fs"
import { join } from "node:path"
import { deadLinksOf, errorCodesOf, errorHeadingFaultsOf } from "./docs.ts"
import { readDocuments, readSources } from "./project-files.ts"
import { root } from "./run.ts"

const documents = readDocuments()
const codes = errorCodesOf(readSources().values())
const faults = [
  ...deadLinksOf(documents, (path) => existsSync(join(root, path))),
  ...errorHeadingFaultsOf(codes, documents.get("docs/errors.md") ?? ""),
]
for (const fault of faults) console.error(fault)
console.log(`docs: ${documents.size} documents, ${codes.length} error codes, ${faults.length} faults`)
process.exitCode = faults.length === 0 ? 0 : 1
