/**
 * Records: one JSON object a line, `type` first. Types, schemas, reader, writer, and stages joined in one process.
 *
 * @module
 */

export { type ChangesDigest, changesDigest } from './changes-digest.js'
export { nameFields, nameOf, showName } from './fields.js'
export { type LogLine, logWriter } from './log.js'
export { checkRecord, parseRecord, recordError, recordTypes } from './parse.js'
export { collect, pipe, type Stage } from './pipe.js'
export { MAX_LINE_CHARS, type ReadOptions, readRecords, readReferences, UpstreamError } from './read.js'
export type {
  AnyRecord,
  BlobRecord,
  BundleRecord,
  ChangeRecord,
  ClusterImageRecord,
  ConfigRecord,
  ContentFields,
  DescriptorFields,
  EndRecord,
  EntryFields,
  EntryType,
  ErrorRecord,
  FailedRecord,
  FindingRecord,
  HaveRecord,
  Heredoc,
  IdMap,
  InstructionRecord,
  LayerBeginRecord,
  LayerEndRecord,
  LayerRecord,
  ManifestRecord,
  PlanRecord,
  PlatformFields,
  ReferenceRecord,
  SnapshotRecord,
  SourceLines,
  TriggerFields,
  WantRecord,
} from './types.js'
export { formatRecord, RecordWriter } from './write.js'
