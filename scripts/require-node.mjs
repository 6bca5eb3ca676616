// Runs before every npm script: one clear line instead of a syntax error when Node is too old. Must itself run on any
// Node that knows .mjs files, so it uses nothing newer. The dev dependency node@24 normally makes this moot.

const required = [22, 18]
const parts = process.versions.node.split(".").map(Number)

if (parts[0] < required[0] || (parts[0] === required[0] && parts[1] < required[1])) {
  console.error(
    "orrery-db needs Node " +
      required.join(".") +
      " or newer to run its scripts; this is " +
      process.versions.node +
      ". " +
      "Install one, or let npm run the install script of the dev dependency node@24 and try again.",
  )
  process.exit(1)
}
