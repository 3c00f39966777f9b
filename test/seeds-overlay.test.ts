// The experiment with which many texts about overlayfs begin: mount two directories, change the merged tree, look at
// what the upper collects, unmount. ovl-mount stands where mount and umount stood; each listing is compared with that of
// the text, word for word.
import { need, waitUntil } from '@pipelayer/testkit'
import t from 'tap'
import { lab } from './lab.js'

const MOUNT = 'ovl-mount --lower lower --upper upper --work worker merge > record'
const UNMOUNT = 'ovl-mount --unmount merge > record'

const EXPERIMENT: readonly (readonly [command: string, listing: string])[] = [
  ['mkdir lower upper worker merge', ''],
  ['touch lower/l1; touch upper/u1', ''],
  [MOUNT, ''],
  [
    'mount | grep merge',
    'overlay on /root/overlay/merge type overlay (rw,relatime,lowerdir=lower,upperdir=upper,workdir=worker)',
  ],
  [
    'ls -l merge/',
    `total 0
-rw-r--r-- 1 root root 0 Feb 15 09:48 l1
-rw-r--r-- 1 root root 0 Feb 15 09:48 u1`,
  ],
  ['touch merge/m1', ''],
  [
    'ls -l upper/',
    `total 0
-rw-r--r-- 1 root root 0 Feb 15 09:51 m1
-rw-r--r-- 1 root root 0 Feb 15 09:48 u1`,
  ],
  [UNMOUNT, ''],
  [
    'ls -l upper/',
    `total 0
-rw-r--r-- 1 root root 0 Feb 15 09:51 m1
-rw-r--r-- 1 root root 0 Feb 15 09:48 u1`,
  ],
  [MOUNT, ''],
  ['rm -rf merge/l1', ''],
  [UNMOUNT, ''],
  ['ls -l lower/l1', '-rw-r--r-- 1 root root 0 Feb 15 09:48 lower/l1'],
  ['ls -l upper/l1', 'c--------- 1 root root 0, 0 Feb 15 09:55 upper/l1'],
  ['mkdir -p lower/ldir1; touch lower/ldir1/ld1', ''],
  [MOUNT, ''],
  [
    'ls -l merge/',
    `total 4
drwxr-xr-x 2 root root 4096 Feb 15 10:06 ldir1
-rw-r--r-- 1 root root    0 Feb 15 09:51 m1
-rw-r--r-- 1 root root    0 Feb 15 09:48 u1`,
  ],
  ['rm -rf merge/ldir1', ''],
  [
    'ls -l upper/',
    `total 0
c--------- 1 root root 0, 0 Feb 15 09:55 l1
c--------- 1 root root 0, 0 Feb 15 10:07 ldir1
-rw-r--r-- 1 root root    0 Feb 15 09:51 m1
-rw-r--r-- 1 root root    0 Feb 15 09:48 u1`,
  ],
  ['mkdir merge/ldir1', ''],
  [
    'ls -l upper/',
    `total 4
c--------- 1 root root 0, 0 Feb 15 09:55 l1
drwxr-xr-x 2 root root 4096 Feb 15 10:07 ldir1
-rw-r--r-- 1 root root    0 Feb 15 09:51 m1
-rw-r--r-- 1 root root    0 Feb 15 09:48 u1`,
  ],
  ['ls -l upper/ldir1/', 'total 0'],
  ['ls -l lower/ldir1/', 'total 0\n-rw-r--r-- 1 root root 0 Feb 15 10:06 ld1'],
  ['getfattr -n "trusted.overlay.opaque" upper/ldir1', '# file: upper/ldir1\ntrusted.overlay.opaque="y"'],
  [UNMOUNT, ''],
]

/**
 * What is the same wherever the experiment is made. Times differ, and so do the blocks of directories on other file
 * systems; since Linux 5.8 all whiteouts of a mount are links to one; and newer kernels show more options.
 */
function words(listing: string, dir: string): string[] {
  return listing
    .replaceAll(dir, '/root/overlay')
    .replace(/^total \d+$/gm, 'total')
    .replace(/[A-Z][a-z]{2} [ \d]\d \d\d:\d\d/g, 'TIME')
    .replace(/^(d.* root +)\d+/gm, '$1SIZE')
    .replace(/^(c-+ )\d+/gm, '$1LINKS')
    .replace(/(workdir=worker)[^)]*/, '$1')
    .split(/\s+/)
    .filter(word => word !== '')
}

t.test('the experiment', { skip: need('root', 'getfattr') }, async t => {
  const place = lab(t, { LC_ALL: 'C' })
  for (const [command, listing] of EXPERIMENT) {
    // A program of another test that began while the tree was mounted has a copy of the mount, until it ends.
    if (command === MOUNT)
      await waitUntil(
        'nobody else has the mount',
        async () => (await place.good('ovl-mount --list')).records().length === 1,
        60_000,
      )
    const { stdout, stderr } = await place.good(command)
    t.same(words(stdout, place.dir), words(listing, place.dir), command)
    t.equal(stderr, '', command)
  }
})
