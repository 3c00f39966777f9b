/** The architecture that a processor can run besides its own. */
const ALSO: Readonly<Record<string, string>> = { amd64: '386', arm64: 'arm' }

/** Whether the programs of an image need an emulator on this machine. */
export function isForeign(architecture: string, machine: string): boolean {
  return architecture !== machine && ALSO[machine] !== architecture
}
