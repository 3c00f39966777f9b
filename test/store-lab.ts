/**
 * A lab whose store gets images from archives, and what tests of the store's programs look at.
 *
 * @module
 */
import { randomBytes } from 'node:crypto'
import fs from 'node:fs'
import { Layout, REF_NAME } from '@pipelayer/layout'
import { Store } from '@pipelayer/store'
import type { Scope } from '@pipelayer/testkit'
import { type Lab, lab } from './lab.js'

/** The repository of the images of {@link withImages}. */
export const NAME = 'docker.io/library/app'

/** Archives `0.tar` and so on, of images `app:0` and so on, which share a layer. */
export async function withImages(t: Scope, count: number): Promise<Lab> {
  const place = lab(t)
  const source = Layout.open(place.path('source'), { create: true })
  const layerType = 'application/vnd.oci.image.layer.v1.tar'
  const put = (content: string | Buffer, mediaType: string) => {
    const { digest, size } = source.putBytes(Buffer.from(content))
    return { mediaType, digest, size }
  }
  const base = put(Buffer.alloc(64 * 1024), layerType)
  for (let at = 0; at < count; at++) {
    const own = put(Buffer.concat([randomBytes(32 * 1024), Buffer.alloc(1024)]), layerType)
    const rootfs = { type: 'layers', diff_ids: [base.digest, own.digest] }
    const document = JSON.stringify({ os: 'linux', architecture: 'amd64', rootfs })
    const config = put(document, 'application/vnd.oci.image.config.v1+json')
    const mediaType = 'application/vnd.oci.image.manifest.v1+json'
    const manifest = { schemaVersion: 2, mediaType, config, layers: [base, own] }
    source.tag(put(JSON.stringify(manifest), mediaType), `${NAME}:${at}`)
    await place.good(`img-pull --store source store:app:${at} | img-export --store source > ${at}.tar`)
  }
  return place
}

/** Runs `work` with the store, as a program that shares the lease. */
export function inStore<T>(place: Lab, work: (store: Store) => T): T {
  const store = Store.open(place.store)
  try {
    return work(store)
  } finally {
    store.endLease()
  }
}

/** Takes a name out of the index, and nothing else. */
export function unname(place: Lab, name: string): void {
  inStore(place, store =>
    store.updateIndex(index => ({
      ...index,
      manifests: index.manifests.filter(({ annotations }) => annotations?.[REF_NAME] !== name),
    })),
  )
}

/** How many processes have the lease file open. */
export function holders(place: Lab): number {
  const lease = `${fs.realpathSync(place.store)}/lease`
  return fs
    .readdirSync('/proc')
    .filter(pid => /^\d+$/.test(pid))
    .filter(pid => {
      try {
        return fs
          .readdirSync(`/proc/${pid}/fd`)
          .some(fd => fs.readlinkSync(`/proc/${pid}/fd/${fd}`) === lease)
      } catch {
        return false
      }
    }).length
}
