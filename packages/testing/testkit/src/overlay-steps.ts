// Steps on overlay mounts, with the changes that they make. Tests compare these with a diff, and with the tree that a
// layer rebuilds.

import { spawnSync } from 'node:child_process'
import { mount, umount2 } from '@pipelayer/sys'
import { folders, shell } from './shell.js'
import { type Scope, tempDir } from './temp.js'

const PLAIN = 'redirect_dir=off,metacopy=off,index=off,xino=off'

/** A step, and the directories below it. */
export interface OverlayStep {
  readonly why: string
  /** One script for each lower, base first. */
  readonly lower: readonly string[]
  readonly step: string
  /** The changes, as `changeLine` writes them. */
  readonly want: readonly string[]
  readonly options?: string
}

/** Each row has its reason in `why`. */
export const overlaySteps: readonly OverlayStep[] = [
  {
    why: 'a new file names its parents, unchanged ones marked',
    lower: ['mkdir -p a/b'],
    step: 'echo x > a/b/new',
    want: ['modify a dir (parent)', 'modify a/b dir (parent)', 'add a/b/new file'],
  },
  {
    why: 'three whiteouts share one inode and are no hard links',
    lower: ['touch 1 2 3'],
    step: 'rm 1 2 3',
    want: ['delete 1', 'delete 2', 'delete 3'],
  },
  {
    why: 'a directory removed and made anew is opaque on disk: told as what is gone and what is new',
    lower: ['mkdir d; touch d/old d/kept'],
    step: 'rm -r d; mkdir d; touch d/new d/kept',
    want: ['modify d dir (parent)', 'modify d/kept file', 'add d/new file', 'delete d/old'],
  },
  {
    why: 'an opaque directory over nothing is an ordinary one',
    lower: ['touch f'],
    step: 'mkdir d; rmdir d; mkdir d',
    want: ['add d dir'],
  },
  {
    why: 'a whiteout of what no lower has any more is dropped',
    lower: ['mkdir d; touch d/f', 'rm -f x'],
    step: 'touch new; rm new',
    want: [],
  },
  {
    why: 'an entry that is copied up and equal is no change',
    lower: ['echo x > f; touch -d @1000 f; chmod 600 f'],
    step: 'chmod 644 f; chmod 600 f; touch -d @1000 f',
    want: [],
  },
  {
    why: 'a directory differs by its mode, never by its time alone',
    lower: ['mkdir a b; chmod 755 a b'],
    step: 'touch a b; chmod 700 b',
    want: ['modify b dir'],
  },
  {
    why: 'content that changed under the same size and time',
    lower: ['echo one > f; touch -d @1000 f'],
    step: 'echo two > f; touch -d @1000 f',
    want: ['modify f file'],
  },
  {
    why: 'touching one of two hard links breaks them: the other is as it was',
    lower: ['echo x > a; ln a b; touch -d @1000 a'],
    step: 'echo y >> a',
    want: ['modify a file'],
  },
  {
    why: 'a new link to a lower file: both names are one file again only if both are there',
    lower: ['mkdir d; echo x > z'],
    step: 'ln z d/l',
    want: ['modify d dir (parent)', 'add d/l file', 'modify z hardlink d/l'],
  },
  {
    why: 'a moved directory, without redirects, is copied by mv',
    lower: ['mkdir -p d/e; echo x > d/e/f'],
    step: 'mv d moved',
    want: ['delete d', 'add moved dir', 'add moved/e dir', 'add moved/e/f file'],
  },
  {
    why: 'a file in place of a directory, and the other way round',
    lower: ['mkdir d; touch d/x f'],
    step: 'rm -r d; echo > d; rm f; mkdir f; touch f/y',
    want: ['modify d file', 'modify f dir', 'add f/y file'],
  },
  {
    why: 'byte order: a directory is followed by its contents, not by names that begin alike',
    lower: [''],
    step: 'mkdir a; touch a/z a-b a.c; mkdir A',
    want: ['add A dir', 'add a dir', 'add a/z file', 'add a-b file', 'add a.c file'],
  },
  {
    why: 'what is deleted in one lower and back in the next is compared with the next',
    lower: ['echo 1 > f; touch -d @1000 f', 'rm -f f; touch -d @2000 f'],
    step: 'touch -d @2000 f; rm f; : > f; touch -d @2000 f',
    want: [],
  },
  {
    why: 'symlinks by their text, devices by their number, xattrs by their value',
    lower: ['ln -s a s; mknod n c 1 3; touch x; setfattr -n user.k -v 1 x'],
    step: 'ln -sfn b s; rm n; mknod n c 1 5; setfattr -n user.k -v 2 x',
    want: ['modify n char', 'modify s symlink b', 'modify x file'],
  },
  {
    why: 'the root itself, when it changed',
    lower: ['chmod 755 .'],
    step: 'chmod 711 .; touch f',
    want: ['modify . dir', 'add f file'],
  },
  {
    why: 'names that are not UTF-8, or hold what shells and formats trip over',
    lower: [''],
    step: `touch $'\\xff\\xfe' $'new\\nline' 'Ümlaut' '"'`,
    want: ['add " file', 'add new\\x0aline file', 'add Ümlaut file', 'add \\xff\\xfe file'],
  },
  {
    why: 'user xattrs: the same without privileges over trusted ones',
    lower: ['mkdir d; touch d/a d/b'],
    step: 'rm -r d; mkdir d; touch d/b',
    want: ['modify d dir (parent)', 'delete d/a', 'modify d/b file'],
    options: 'userxattr',
  },
]

/** Where a step was executed. */
export interface MountedStep {
  readonly top: string
  readonly merged: string
  readonly below: string
  readonly upper: string
  /** The lower directories, nearest first. */
  readonly lowers: readonly string[]
  readonly xattrs: 'user' | 'trusted'
}

/** Mounts the lowers one over the other, so that each has the form the kernel gives it, and runs the step on top. */
export function mountStep(t: Scope, row: OverlayStep): MountedStep {
  const top = tempDir(t, 'diff')
  const [merged, below] = folders(top, 'merged', 'below')
  const lowers: string[] = []
  for (const script of row.lower) lowers.unshift(layerOf({ top, lowers, extra: row.options }, script))
  const upper = layerOf({ top, lowers, extra: row.options }, row.step)
  const options = `${PLAIN}${row.options === undefined ? '' : `,${row.options}`}`
  mountChain(merged, [upper, ...lowers], row.options)
  if (lowers.length === 1) spawnSync('mount', ['--bind', lowers[0] ?? '', below])
  else mountChain(below, lowers, row.options)
  t.teardown(() => {
    umount2(merged)
    umount2(below)
  })
  return { top, merged, below, upper, lowers, xattrs: options.includes('userxattr') ? 'user' : 'trusted' }
}

interface LayerPlace {
  readonly top: string
  readonly lowers: readonly string[]
  /** Mount options in place of the plain ones. */
  readonly extra: string | undefined
}

function mountChain(target: string, dirs: readonly string[], extra?: string): void {
  const data = `lowerdir=${dirs.join(':')}${extra === undefined ? '' : `,${extra}`}`
  mount('overlay', target, 'overlay', { data })
}

function layerOf({ top, lowers, extra }: LayerPlace, script: string): string {
  const number = lowers.length
  const [upper, work, merged] = folders(top, `upper${number}`, `work${number}`, `step${number}`)
  if (lowers.length === 0) {
    shell(upper, script === '' ? 'true' : script)
    return upper
  }
  const data = `lowerdir=${lowers.join(':')},upperdir=${upper},workdir=${work},${extra ?? PLAIN}`
  mount('overlay', merged, 'overlay', { data })
  try {
    shell(merged, script)
  } finally {
    umount2(merged)
  }
  return upper
}
