import fs from 'node:fs'

/** The mount points of this process's namespace, in mount order. */
export function mountTable(): string[] {
  return fs
    .readFileSync('/proc/self/mounts', 'latin1')
    .split('\n')
    .filter(line => line !== '')
    .map(line => unescapeOctal(line.split(' ')[1] ?? ''))
}

/** The mount points at or below a folder. */
export function mountsBelow(dir: string): string[] {
  return mountTable().filter(target => target === dir || target.startsWith(`${dir}/`))
}

// /proc/self/mounts writes blank, tab, newline and backslash as \040 and so on.
function unescapeOctal(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)))
}
