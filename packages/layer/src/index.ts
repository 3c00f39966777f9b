/**
 * Layers: change sets from disk, change sets to tar blobs, tar blobs to disk.
 *
 * @module
 */
import type { ChangeRecord } from '@pipelayer/records'
import type {
  ApplyOptions,
  ApplyOverlayOptions,
  ApplyResult,
  BlobSink,
  DiffOptions,
  OverlayDirs,
  PackedLayer,
  PackOptions,
} from './types.js'

export type * from './types.js'

export declare function diffOverlay(dirs: OverlayDirs, options?: DiffOptions): Generator<ChangeRecord, void, void>
export declare function diffTrees(
  before: string | undefined,
  after: string,
  options?: DiffOptions,
): Generator<ChangeRecord, void, void>
/** Resolves to undefined where there are no changes: nothing is written then. */
export declare function packChanges(
  changes: AsyncIterable<ChangeRecord> | Iterable<ChangeRecord>,
  sink: () => BlobSink | Promise<BlobSink>,
  options?: PackOptions,
): Promise<PackedLayer | undefined>
export declare function packTar(
  source: AsyncIterable<Buffer>,
  sink: () => BlobSink | Promise<BlobSink>,
  options?: PackOptions,
): Promise<PackedLayer>
/** `tar` is uncompressed. `root` exists. */
export declare function applyLayer(
  tar: AsyncIterable<Buffer>,
  root: string,
  options?: ApplyOptions,
): Promise<ApplyResult>
/** `dir` exists and is empty. */
export declare function applyLayerOverlay(
  tar: AsyncIterable<Buffer>,
  dir: string,
  options?: ApplyOverlayOptions,
): Promise<ApplyResult>
