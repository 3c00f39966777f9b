import type { BaseImage } from './base-image.js'
import type { Source } from './layer-step.js'

/** Finds what a build reads besides its own stages: the context, named contexts, images. */
export interface SourceFinder {
  /** Whether `--build-context` says what a name means; then no stage and no image is meant. */
  has(name: string): boolean
  /** The files that a name stands for; undefined where it stands for an image. */
  files(name: string, platform?: string): Promise<Source | undefined>
  /** The image that FROM names, or `--from` where no stage has the name. */
  image(name: string, platform?: string): Promise<BaseImage>
  /** The context. Only asking something of it fails where there is none: a heredoc needs none. */
  context(): Promise<Source>
}
