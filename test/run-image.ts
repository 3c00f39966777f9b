/**
 * A small image for tests that run containers.
 *
 * @module
 */

import { shell } from '@pipelayer/testkit'
import type { Lab } from './lab.js'

const TREE = `
mkdir -p bin etc srv tmp
cp "$(command -v busybox)" bin/busybox
for name in sh id pwd hostname cat grep tr touch sed ls mkdir env sort sleep date mount swapoff chroot kill stty nc wget head unshare echo stat; do
  ln -s busybox bin/$name
done
printf 'root:x:0:0::/root:/bin/sh\\njoe:x:1000:100::/home/joe:/bin/sh\\n' > etc/passwd
printf 'root:x:0:\\nusers:x:100:\\nwheel:x:10:joe\\n' > etc/group
printf 'text\\n' > etc/text
mkdir home; mkdir home/joe; chown 1000:100 home/joe
`

/** Makes the root filesystem of the image in the folder `tree` of a lab. */
export function writeTree(where: Lab): void {
  shell(where.path('tree'), TREE)
}

/** Puts the image into the store of a lab, as `app:1`. */
export async function storeApp(where: Lab): Promise<void> {
  writeTree(where)
  await where.good(
    'layer-pack --dir tree | manifest-gen -t app:1 --env K=image --cmd sh --cmd=-c --cmd "echo default" | blob-put store:app:1',
  )
}
