// Takes the place of node:assert under yargs in the bundles: it takes 3 ms to load, and its errors show their values.
export function strictEqual(actual, expected) {
  if (actual !== expected) throw new Error('not the same')
}

export function notStrictEqual(actual, expected) {
  if (actual === expected) throw new Error('the same')
}
