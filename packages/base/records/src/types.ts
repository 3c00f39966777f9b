/**
 * The record types: the contract between the tools, one interface for each `type`.
 *
 * `schemas/*.json` beside `src` say the same as JSON Schema and have the last word; this file is for the compiler.
 * Fields that a specification defines keep its spelling, ours are camelCase. Every record may carry more fields
 * than these: they pass through.
 *
 * @module
 */

/** Any record: an object with a `type`. */
export interface AnyRecord {
  readonly type: string
  readonly [field: string]: unknown
}

/** An OCI content descriptor. Spec: image-spec v1.1, descriptor.md. */
export interface DescriptorFields {
  readonly mediaType: string
  readonly digest: string
  /** Bytes. */
  readonly size: number
  readonly urls?: readonly string[]
  readonly annotations?: Readonly<Record<string, string>>
  readonly data?: string
  readonly artifactType?: string
  readonly platform?: PlatformFields
}

/** Spec: image-spec v1.1, image-index.md, `platform`. */
export interface PlatformFields {
  readonly os: string
  readonly architecture: string
  readonly variant?: string
  readonly 'os.version'?: string
  readonly 'os.features'?: readonly string[]
}

export interface SourceLines {
  readonly file: string
  readonly line: number
  readonly endLine: number
}

export interface Heredoc {
  readonly name: string
  /** False when the word was quoted: the body is taken as it is. */
  readonly expand: boolean
  /** `<<-`: leading tabs are dropped where the consumer wants it. */
  readonly chomp: boolean
  readonly fd: number
  /** The body; `contentRaw` (base64) where it is not valid UTF-8. */
  readonly content?: string
  readonly contentRaw?: string
  /** In place of `content`: the body is the blob of this digest in the store, as written. */
  readonly digest?: string
  /** Bytes of that blob. */
  readonly size?: number
}

/** An instruction that an ONBUILD defers to builds upon the image. */
export interface TriggerFields {
  readonly name: string
  readonly form: 'words' | 'json' | 'shell' | 'pairs'
  readonly args: readonly string[]
  readonly flags: readonly string[]
  readonly heredocs?: readonly Heredoc[]
  readonly trigger?: TriggerFields
}

/** One instruction of a Dockerfile or Kubefile. Made by kf-parse. */
export interface InstructionRecord extends AnyRecord {
  readonly type: 'instruction'
  /** `dockerfile`, `kubefile` (sealer 0.9 and later), `kubefile-classic` or `sealos`. */
  readonly dialect?: string
  /** Build stage, from 0; -1 for what stands before the first FROM. */
  readonly stage: number
  /** Place of the instruction in the file, from 0. */
  readonly index: number
  /** Upper case. */
  readonly name: string
  /** How `args` were written: words, JSON array, one shell string, or name-value pairs. */
  readonly form: 'words' | 'json' | 'shell' | 'pairs'
  /**
   * The words of BuildKit's syntax tree. For `pairs` each pair has three words: name, value, separator (`=` or empty).
   */
  readonly args: readonly string[]
  /** As written: `--from=build`. */
  readonly flags: readonly string[]
  readonly heredocs?: readonly Heredoc[]
  /** The instruction that an ONBUILD defers. */
  readonly trigger?: TriggerFields
  readonly source: SourceLines
  /** The instruction's text with continuations joined (BuildKit's Original). */
  readonly raw: string
  /** The escape character, when it is not a backslash. */
  readonly escape?: string
  /** The comment lines right above, without `#`. */
  readonly comments?: readonly string[]
  /** The last line of an instruction that has an empty line inside it. */
  readonly emptyContinuation?: number
  /** The value of the file's directive `# check=`. Only the first instruction has it. */
  readonly check?: string
}

/** Something a linter found. Made by kf-lint. */
export interface FindingRecord extends AnyRecord {
  readonly type: 'finding'
  readonly rule: string
  readonly severity: 'error' | 'warning' | 'info'
  /** What is wrong here. */
  readonly message: string
  /** What the rule asks for, in one sentence. */
  readonly description?: string
  readonly file?: string
  /** From 1. */
  readonly line?: number
  readonly endLine?: number
}

/** A reference to an image in a place. Made by kf-images, registry-ls, img-ls, img-tag, img-rm and users. */
export interface ReferenceRecord extends AnyRecord {
  readonly type: 'reference'
  readonly reference: string
  /** `os/architecture[/variant]`. */
  readonly platform?: string
  /** The file that names it, and the line there, from 1. */
  readonly file?: string
  readonly line?: number
  /** Which kind of text in the file names it. */
  readonly foundIn?:
    | 'container'
    | 'image'
    | 'line'
    | 'list'
    | 'chart'
    | 'values'
    | 'template'
    | 'argument'
    | 'environment'
    | 'config'
  /** No field says that it is an image, or its chart was not rendered: it may be wrong, and others may be missing. */
  readonly guess?: true
  /** On request: the rule by which it was found. */
  readonly why?: string
  /** What the search of a registry says about a repository: a text from outside, how many like it, whether it is Docker's. */
  readonly description?: string
  readonly stars?: number
  readonly official?: true
}

/** A cluster image in the store. Made by cluster-image. */
export interface ClusterImageRecord extends AnyRecord {
  readonly type: 'cluster-image'
  /** Fully qualified; absent where the image has no name. */
  readonly reference?: string
  /** 64 hexadecimal digits: the id of sealer's document. */
  readonly id: string
  /** Digest of the manifest. */
  readonly digest: string
  /** Bytes of the layers as they are stored. */
  readonly size?: number
  readonly created?: string
  /** The dialect of the Kubefiles that such images are made of: `kubefile`, `kubefile-classic` or `sealos`. */
  readonly dialect?: string
  /** `kube-installer`, `app-installer`; `rootfs`, `application`, `patch`. */
  readonly imageType?: string
  /** What a cluster executes, in order, as texts for a shell. */
  readonly cmd?: readonly string[]
  /** What the command did with the image. */
  readonly action?: 'saved' | 'loaded' | 'merged' | 'tagged' | 'removed'
  /** `kind: Image`. */
  readonly document?: object
}

/** Which ids of the file system stand for which ids of the image. */
export interface IdMap {
  /** Each row holds the first id in the image, the first id on disk, and the number of ids. */
  readonly uid: readonly (readonly [number, number, number])[]
  readonly gid: readonly (readonly [number, number, number])[]
}

/** One executed step, as directories whose difference is what the step changed. Made by kf-run. */
export interface SnapshotRecord extends AnyRecord {
  readonly type: 'snapshot'
  readonly image: string
  /** Place of the step's history entry among those of its image, from 0. */
  readonly index: number
  /** Overlay form: absolute directories, nearest first, as in `lowerdir`. */
  readonly lowers?: readonly string[]
  /** Overlay form: the absolute upper directory. */
  readonly upper?: string
  /** Tree form: absolute directories before and after the step. */
  readonly before?: string
  readonly after?: string
  /** Prefix of the overlay xattrs in lowers and upper. */
  readonly xattrs?: 'trusted' | 'user'
  readonly idMap?: IdMap
  readonly createdBy: string
  readonly created: string
  readonly cacheKey?: string
}

export interface LayerBeginRecord extends AnyRecord {
  readonly type: 'layer-begin'
  readonly image: string
  readonly createdBy?: string
  readonly created?: string
  readonly cacheKey?: string
  /** `listed`: the changes come as they stand in a tar; without it in the order of a change set. */
  readonly order?: 'listed'
}

export type EntryType = 'file' | 'dir' | 'symlink' | 'hardlink' | 'char' | 'block' | 'fifo'

/** The bytes of a file, by reference: they lie in a blob that is there already. */
export interface ContentFields {
  /** Digest of the blob as it is stored. */
  readonly digest: string
  /** Where the bytes of the file begin in the decompressed blob, in bytes. */
  readonly offset: number
  /** For a file with holes: the runs that the blob holds one after the other, each as `[place in the file, bytes]`. */
  readonly runs?: readonly (readonly [number, number])[]
  /** An absolute path at which the blob may lie; only a hint. */
  readonly path?: string
}

/** The fields of an entry of a layer, apart from its name. */
export interface EntryFields {
  readonly type: EntryType
  /** Octal, permission bits with setuid, setgid and sticky, four digits: `0755`. */
  readonly mode: string
  readonly uid: number
  readonly gid: number
  /** Seconds since 1970 as PAX writes them, with up to nine decimals: `1700000000.5`. */
  readonly mtime: string
  /** Bytes of a file. */
  readonly size?: number
  /** Target of a symlink; for a hard link, the path in this layer of the file that it is another name of. */
  readonly linkname?: string
  readonly linknameRaw?: string
  readonly devmajor?: number
  readonly devminor?: number
  /** Values in base64. */
  readonly xattrs?: Readonly<Record<string, string>>
  /** The absolute path of a file with the bytes. Absent when the file is empty. */
  readonly source?: string
  readonly sourceRaw?: string
  /** In place of `source`: where in a blob the bytes of the file lie. */
  readonly content?: ContentFields
}

/** One change of a layer. Made by ovl-diff. */
export interface ChangeRecord extends AnyRecord {
  readonly type: 'change'
  readonly op: 'add' | 'modify' | 'delete' | 'opaque'
  /**
   * The path below the root, without a leading or trailing slash; `pathRaw` (base64) takes its place where it is not
   * valid UTF-8. For `opaque` it is the directory whose lower contents are hidden.
   */
  readonly path?: string
  readonly pathRaw?: string
  /** The directory itself is unchanged; it is listed because something below it changed. */
  readonly parent?: true
  /** Absent for `delete` and `opaque`. */
  readonly entry?: EntryFields
}

export interface LayerEndRecord extends AnyRecord {
  readonly type: 'layer-end'
  /** How many `change` records the layer has. */
  readonly changes: number
  /** sha256 over the canonical form of the changes: see `changesDigest`. */
  readonly digest: string
}

/** One layer; with `empty: true` the step changed nothing and there is no blob. Made by layer-pack, img-pull, kf-run. */
export interface LayerRecord extends AnyRecord, Partial<DescriptorFields> {
  readonly type: 'layer'
  readonly image: string
  readonly diffID?: string
  readonly path?: string
  readonly createdBy?: string
  readonly created?: string
  readonly cacheKey?: string
  /** Compressor and version that made the blob, where we made it: `zlib/1.3.1`. */
  readonly engine?: string
  /** How the layer was packed, where kf-run took it from its cache. */
  readonly encoding?: string
  readonly empty?: true
  /** Places that hold the blob. */
  readonly from?: readonly string[]
  readonly partOf?: string
}

/** The config of an image: a descriptor and path where a blob exists, and the document. */
export interface ConfigRecord extends AnyRecord, Partial<DescriptorFields> {
  readonly type: 'config'
  readonly image: string
  readonly path?: string
  readonly config: Readonly<Record<string, unknown>>
  readonly from?: readonly string[]
  readonly partOf?: string
  /** Annotations of the manifest that is made for this config. */
  readonly manifestAnnotations?: Readonly<Record<string, string>>
}

/** A manifest or an index; `root: true` closes its image. */
export interface ManifestRecord extends AnyRecord, DescriptorFields {
  readonly type: 'manifest' | 'index'
  readonly image: string
  readonly root?: true
  readonly path?: string
  /** Fully qualified. */
  readonly reference?: string
  /** The names under which programs of this pipe have put the image, in that order; `reference` is the last one. */
  readonly references?: readonly string[]
  readonly from?: readonly string[]
  /** The `image` of the index that this is a child of. */
  readonly partOf?: string
}

/** What a dry run would do with a blob or a manifest. */
export interface PlanRecord extends AnyRecord {
  readonly type: 'plan'
  readonly tool: string
  /**
   * `mount`: take the blob from another repository of the registry, or put it where that fails. `skip`: it is there
   * already.
   */
  readonly action: 'put' | 'mount' | 'skip' | 'delete'
  /** The place that it would go to. */
  readonly place: string
  readonly mediaType: string
  readonly digest: string
  /** Bytes. */
  readonly size: number
}

/** A blob that a store holds. Made by blob-have, for programs that send blobs to that store. */
export interface HaveRecord extends AnyRecord {
  readonly type: 'have'
  readonly digest: string
  /** Bytes that are there. */
  readonly size: number
  /** The blob is not whole yet: the store has its first `size` bytes. */
  readonly partial?: true
}

/** A blob of an image that a store lacks. Made by blob-want, before the record of the blob. */
export interface WantRecord extends AnyRecord, DescriptorFields {
  readonly type: 'want'
  readonly image: string
  /** The store has this many of its first bytes, and wants the rest. */
  readonly offset?: number
}

export interface BundleRecord extends AnyRecord {
  readonly type: 'bundle'
  readonly image?: string
  /** Absolute. */
  readonly path: string
  readonly rootfs: string
}

/** One item that failed; the stream goes on. */
export interface FailedRecord extends AnyRecord {
  readonly type: 'failed'
  /** The image that cannot be completed because of it; its earlier records are void. */
  readonly image?: string
  readonly tool: string
  readonly code: string
  readonly message: string
  readonly item?: unknown
}

/** Why the tool stopped; the last line of a stream that is not complete. */
export interface ErrorRecord extends AnyRecord {
  readonly type: 'error'
  readonly tool: string
  readonly code: string
  readonly message: string
}

/** The last line of a complete stream. */
export interface EndRecord extends AnyRecord {
  readonly type: 'end'
  readonly tool: string
  /** Records written before this one. */
  readonly records: number
  /** How many of them are `failed`. */
  readonly failed: number
}
