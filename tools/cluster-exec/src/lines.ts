const NEWLINE = 10

/** Joins what hosts say to whole lines, since pieces of several hosts come in turns. */
export function lineWriter(output: (host: string, lines: Buffer) => void): {
  add(host: string, chunk: Buffer): void
  end(): void
} {
  const open = new Map<string, Buffer>()
  return {
    add(host, chunk) {
      const text = Buffer.concat([open.get(host) ?? Buffer.alloc(0), chunk])
      const end = text.lastIndexOf(NEWLINE) + 1
      open.set(host, text.subarray(end))
      if (end > 0) output(host, text.subarray(0, end))
    },
    end() {
      for (const [host, rest] of open) if (rest.length > 0) output(host, rest)
      open.clear()
    },
  }
}
