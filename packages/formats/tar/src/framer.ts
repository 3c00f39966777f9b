import type { Pack } from 'tar-stream'

type Sink = ReturnType<Pack['entry']>

/** A file of an archive. */
export interface FramedFile {
  readonly name: string
  /** Of its content, in bytes. */
  readonly size: number
}

/**
 * Frames files as a tar. They have the mode 0644, and neither a time nor an owner, so the same files always give the
 * same bytes. Somebody has to read {@link bytes} while files are added. Memory: a few chunks.
 */
export interface FileFramer {
  /** The archive. It ends after {@link end}, and throws what {@link fail} was given. */
  readonly bytes: AsyncIterable<Buffer>
  /**
   * Adds a file, and returns when all of it was taken by the reader or waits for it. Files that are added at the same
   * time follow each other.
   *
   * @param source - exactly `size` bytes
   * @throws whatever `source` throws, or an Error if `size` is wrong: the archive is broken then
   */
  add(file: FramedFile, source: AsyncIterable<Buffer>): Promise<void>
  end(): void
  /** Breaks the archive off. */
  fail(error: Error): void
}

/** tar-stream is loaded here, since most programs that read tars never write one. */
export async function frameFiles(): Promise<FileFramer> {
  const { pack } = await import('tar-stream')
  const archive = pack()
  // Whoever reads the archive gets its error; without a listener the process would end by it.
  archive.on('error', () => undefined)
  const fail = (error: Error): void => void archive.destroy(error)
  return {
    bytes: archive as AsyncIterable<Buffer>,
    end: () => archive.finalize(),
    fail,
    add: async ({ name, size }, source) => {
      let sink: Sink | undefined
      const done = new Promise<void>((resolve, reject) => {
        const header = { name, size, type: 'file', mode: 0o644, uid: 0, gid: 0, mtime: new Date(0) } as const
        sink = archive.entry(header, error => (error ? reject(error) : resolve()))
        sink.on('error', () => undefined)
      })
      // If the reader leaves, this fails while the source is still being read; it is awaited below.
      done.catch(() => undefined)
      try {
        if (sink !== undefined) await fill(sink, source)
      } catch (error) {
        fail(error instanceof Error ? error : new Error(String(error)))
        await done.catch(() => undefined)
        throw error
      }
      await done
    },
  }
}

async function fill(sink: Sink, source: AsyncIterable<Buffer>): Promise<void> {
  for await (const chunk of source) {
    // The reader of the archive is gone: the caller learns it from the callback of the entry.
    if (sink.destroyed) return
    if (!sink.write(chunk)) await drained(sink)
  }
  sink.end(undefined)
}

function drained(sink: Sink): Promise<void> {
  return new Promise(resolve => {
    const go = (): void => {
      sink.off('drain', go)
      sink.off('close', go)
      resolve()
    }
    sink.on('drain', go)
    sink.on('close', go)
  })
}
