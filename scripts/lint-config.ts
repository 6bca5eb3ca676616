// Writes .oxlintrc.json: fixed rules, and for each folder the imports that layers.ts forbids it, so that an editor
// shows a breach while it is typed. Run `node scripts/lint-config.ts` after a change; test/tidy.test.ts compares.

import { writeFileSync } from "node:fs"
import { layers, mayUsePackage, type Layer } from "../layers.ts"

interface Pattern {
  readonly regex: string
  readonly message: string
}

// The whole family, by regular expression: a glob for `node:*` would miss `node:fs/promises`.
const families = [
  { sample: "node:fs", regex: "^node:", message: "Take it from the platform; node: is for src/platform/node." },
  { sample: "effect/Effect", regex: "^effect/", message: "Effect is for actors, store and cli." },
  {
    sample: "effect",
    regex: "^effect$",
    message: "Import the deep module, effect/Effect: the barrel costs start-up time.",
  },
  { sample: "rxjs", regex: "^rxjs(/|$)", message: "RxJS is for streams." },
]

const sourceRules = {
  "import/no-default-export": "error",
  "no-console": "error",
  "typescript/no-non-null-assertion": "error",
}

/** The text of .oxlintrc.json. */
export function lintConfig(): string {
  const config = {
    $schema: "./node_modules/oxlint/configuration_schema.json",
    options: { typeAware: true, denyWarnings: true, reportUnusedDisableDirectives: "error" },
    plugins: ["typescript", "unicorn", "oxc", "import", "promise"],
    categories: { correctness: "error" },
    rules: {
      eqeqeq: "error",
      "no-var": "error",
      "prefer-const": "error",
      "no-empty": "error",
      "no-throw-literal": "error",
      "no-debugger": "error",
      // A preallocated array of a known length is meant.
      "unicorn/no-new-array": "off",
      "import/no-cycle": "error",
      "import/no-self-import": "error",
      "typescript/ban-ts-comment": "error",
      // `typeof import("node:sqlite")` is how a module that may be missing is typed.
      "typescript/consistent-type-imports": ["error", { disallowTypeAnnotations: false }],
      "typescript/no-explicit-any": "error",
      "typescript/no-floating-promises": "error",
      "typescript/no-misused-promises": "error",
      "typescript/await-thenable": "error",
      "typescript/no-unnecessary-type-assertion": "error",
      "typescript/only-throw-error": "error",
      "typescript/switch-exhaustiveness-check": "error",
    },
    overrides: [
      { files: ["src/**/*.ts"], rules: sourceRules },
      { files: ["src/cli/**/*.ts"], rules: { "no-console": "off" } },
      ...layers.map((layer) => ({
        files: [layer.folder === "" ? "src/*.ts" : `src/${layer.folder}/**/*.ts`],
        rules: { "no-restricted-imports": ["error", { patterns: patternsOf(layer) }] },
      })),
    ],
    ignorePatterns: ["dist", "coverage", "bench/node_modules"],
  }
  return `${JSON.stringify(config, undefined, 2)}\n`
}

function patternsOf(layer: Layer): readonly Pattern[] {
  const packages = families
    .filter(({ sample }) => !mayUsePackage(layer, sample))
    .map(({ regex, message }) => ({ regex, message }))
  const folders = layers
    .filter((other) => other.folder !== "" && other !== layer && !layer.mayImport.includes(other.folder))
    .map((other) => ({
      regex: `^${relativeTo(layer, other.folder)}/`,
      message: `${layer.folder} must not import ${other.folder}: see layers.ts.`,
    }))
  return [...packages, ...folders]
}

/** How files of the layer begin a path into the folder, as a regular expression. */
function relativeTo(layer: Layer, folder: string): string {
  if (layer.folder !== "" && folder.startsWith(`${layer.folder}/`))
    return `\\./${folder.slice(layer.folder.length + 1)}`
  return `\\.{1,2}/(\\.\\./)*${folder}`
}

if (process.argv[1] === import.meta.filename) writeFileSync(new URL("../.oxlintrc.json", import.meta.url), lintConfig())
