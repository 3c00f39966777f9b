/** What img-import is asked for. */
export interface ImgImportOptions {
  /** The store's folder; made where there is none. */
  readonly store: string
  /** The name of the only image, in place of its own. */
  readonly tag?: string | undefined
  /** Read the layers that the store had and the archive has not; without it they count by their size. */
  readonly verify?: boolean | undefined
  readonly signal?: AbortSignal
  readonly warn?: (message: string, code?: string) => void
}
