// Says in one line that Node is too old, where otherwise a syntax error or a missing function would. Whoever loads the
// engine loads this. So that Node gets this far, nothing is imported by name that an older one does not have.

const REQUIRED_MAJOR = 22
const REQUIRED_MINOR = 18

/** Throws where that version of Node cannot run the engine. */
export function requireNode(version: string): void {
  const [major = 0, minor = 0] = version.split(".").map(Number)
  if (major > REQUIRED_MAJOR || (major === REQUIRED_MAJOR && minor >= REQUIRED_MINOR)) return
  const summary = `orrery-db needs Node ${REQUIRED_MAJOR}.${REQUIRED_MINOR} or newer, and this is ${version}`
  const code = "ORRERY_NODE_TOO_OLD"
  throw Object.assign(new Error(summary), { code })
}
