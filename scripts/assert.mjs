// Replaces node:assert for yargs in the bundles, because that takes 3 ms to load. The errors show the compared values.
export function strictEqual(actual, expected) {
  if (actual !== expected) throw new Error('not the same')
}

export function notStrictEqual(actual, expected) {
  if (actual === expected) throw new Error('the same')
}
