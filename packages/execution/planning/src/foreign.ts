/** What a processor runs besides its own. */
const ALSO: Readonly<Record<string, string>> = { amd64: '386', arm64: 'arm' }

/** Whether programs of an image need an emulator here. */
export function isForeign(architecture: string, machine: string): boolean {
  return architecture !== machine && ALSO[machine] !== architecture
}
