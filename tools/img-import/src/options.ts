/** The options of img-import. */
export interface ImgImportOptions {
  /** The folder of the store; it is made if it does not exist. */
  readonly store: string
  /** The name of the only image, in place of its own. */
  readonly tag?: string | undefined
  /** Also read the layers that the store has and the archive lacks; without it only their size is compared. */
  readonly verify?: boolean | undefined
  readonly signal?: AbortSignal
  readonly warn?: (message: string, code?: string) => void
}
