/**
 * Records: one JSON object a line, `type` first. Types, schemas, reader, writer, and stages joined in one process.
 *
 * @module
 */

export { changesDigest } from './changes-digest.js'
export type {
  HostAction,
  HostCommand,
  HostFacts,
  HostRecord,
  OperationRecord,
  OutcomeRecord,
  PlacedLayer,
} from './cluster-types.js'
export { nameFields, nameOf, showName } from './fields.js'
export { type LogLine, logWriter } from './log.js'
export { checkRecord, recordError } from './parse.js'
export { collect, pipe } from './pipe.js'
export { readRecords, readReferences, UpstreamError } from './read.js'
export type {
  DifferenceRecord,
  GarbageRecord,
  HistoryRecord,
  ImageRecord,
  MountRecord,
  RemovedRecord,
  StoredImageRecord,
  UsageRecord,
  VerifiedRecord,
} from './store-types.js'
export type {
  AnyRecord,
  BundleRecord,
  ChangeRecord,
  ClusterImageRecord,
  ConfigRecord,
  ContentFields,
  EndRecord,
  EntryFields,
  EntryType,
  FailedRecord,
  FindingRecord,
  HaveRecord,
  IdMap,
  InstructionRecord,
  LayerBeginRecord,
  LayerEndRecord,
  LayerRecord,
  ManifestRecord,
  PlanRecord,
  ReferenceRecord,
  SnapshotRecord,
  WantRecord,
} from './types.js'
export { formatRecord, RecordWriter } from './write.js'
