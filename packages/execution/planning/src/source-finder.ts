import type { BaseImage } from './base-image.js'
import type { Source } from './layer-step.js'

/** Finds the sources of a build other than its own stages: the context, named contexts, images. */
export interface SourceFinder {
  /** Whether `--build-context` defines a name. Then the name means neither a stage nor an image. */
  has(name: string): boolean
  /** The files that a name stands for; undefined if it stands for an image. */
  files(name: string, platform?: string): Promise<Source | undefined>
  /** The image that FROM names, or that `--from` names if no stage has the name. */
  image(name: string, platform?: string): Promise<BaseImage>
  /** The context. If there is none, this still succeeds, and only reading from it fails: a heredoc needs no context. */
  context(): Promise<Source>
}
