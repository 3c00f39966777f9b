/**
 * The entries of an archive, as they are written and as they are read.
 *
 * Names, link targets, owners' names and xattr names are binary strings: one char for each byte
 * (`buffer.toString('latin1')`, `Buffer.from(text, 'latin1')`), so that names that are not UTF-8 survive.
 *
 * @module
 */

/** `other` is a type flag that no file system object stands for: a volume label, a Solaris ACL, a vendor's own. */
export type TarType = 'file' | 'dir' | 'symlink' | 'hardlink' | 'char' | 'block' | 'fifo' | 'other'

/** A time to the nanosecond. */
export interface TarTime {
  /** Whole seconds since 1970, rounded down; negative before that. */
  readonly seconds: number
  /** From 0 to 999 999 999, also before 1970. */
  readonly nanoseconds: number
}

/** An entry as {@link encodeHeader} takes it. */
export interface TarEntry {
  /** The name as the archive has it: `./` and a leading `/` are kept; a directory may end in `/`. */
  readonly name: string
  readonly type: TarType
  /** Permission bits with setuid, setgid and sticky; the bits of the file type are dropped on reading. */
  readonly mode: number
  readonly uid: number
  readonly gid: number
  /** Bytes of content, for a sparse file with its holes; 0 for all other types than files. */
  readonly size: number
  readonly mtime: TarTime
  readonly atime?: TarTime | undefined
  readonly ctime?: TarTime | undefined
  /** The target of a symlink, unchanged; for a hard link, the name of another entry. */
  readonly linkname?: string
  readonly uname?: string
  readonly gname?: string
  readonly devmajor?: number
  readonly devminor?: number
  readonly xattrs?: ReadonlyMap<string, Buffer>
}

/** Which dialect a header is written in; `unknown` mixes several. */
export type TarFormat = 'v7' | 'ustar' | 'pax' | 'gnu' | 'star' | 'unknown'

/** An entry as {@link TarParser} reads it. */
export interface ReadEntry extends TarEntry {
  readonly linkname: string
  readonly uname: string
  readonly gname: string
  readonly devmajor: number
  readonly devminor: number
  readonly xattrs: ReadonlyMap<string, Buffer>
  /** The type flag's char: `S` for an old GNU sparse file, which has type `file`. */
  readonly typeflag: string
  readonly format: TarFormat
  /** The records of the PAX header before it, an empty map where there is none. */
  readonly pax: ReadonlyMap<string, string>
  /** The size that header and PAX state, before sparse files are expanded; ignored for links, devices and directories. */
  readonly statedSize: number
  /** Place of its header block in the archive, in bytes. */
  readonly offset: number
}

/** Type flags with a meaning. Spec: POSIX.1-2017 pax, "ustar Interchange Format"; GNU tar manual, "Basic Tar Format". */
const TYPES: Readonly<Record<string, TarType>> = {
  '\0': 'file',
  '0': 'file',
  '1': 'hardlink',
  '2': 'symlink',
  '3': 'char',
  '4': 'block',
  '5': 'dir',
  '6': 'fifo',
  '7': 'file',
  S: 'file',
}

/** The type of a flag. A contiguous file (`7`) is a file. */
export function typeOfFlag(flag: string): TarType {
  return TYPES[flag] ?? 'other'
}

/** The flag that a type is written with. */
export const FLAG_OF_TYPE: Readonly<Record<Exclude<TarType, 'other'>, string>> = {
  file: '0',
  hardlink: '1',
  symlink: '2',
  char: '3',
  block: '4',
  dir: '5',
  fifo: '6',
}

/** Flags after which no content follows, whatever size the header states. As Go archive/tar and Python have it. */
export function isHeaderOnly(flag: string): boolean {
  return flag >= '1' && flag <= '6'
}
