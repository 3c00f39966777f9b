// To which place an image is put, by the place that was given and the image's own reference.
import { ToolError } from '@pipelayer/errors'
import t from 'tap'
import { takesMany, targetOf } from '../src/target.js'

t.test('targetOf', async t => {
  const reference = 'docker.io/library/app:1'
  const rows: readonly [place: string | undefined, target: string, many: boolean, why: string][] = [
    [undefined, 'docker://docker.io/library/app:1', true, 'where the reference says'],
    ['h.x/y:2', 'h.x/y:2', false, 'a reference'],
    ['docker://h.x/y/', 'docker://h.x/y/library/app:1', true, 'a prefix'],
    ['h.x/', 'docker://h.x/library/app:1', true, 'a registry'],
    ['oci:out:2', 'oci:out:2', false, 'a name in a layout'],
    ['oci:out', `oci:out:${reference}`, true, 'a layout'],
    ['oci:out/', `oci:out/:${reference}`, true, 'a layout, with a slash'],
    ['registry-fs:r:x:2', 'registry-fs:r:x:2', false, "a repository of a registry's folder"],
    ['registry-fs:r', 'registry-fs:r:library/app:1', true, 'the folder: it has no domains'],
    ['registry-fs:r/', 'registry-fs:r:library/app:1', true, 'the folder, with a slash'],
    ['registry-fs:r:x/', 'registry-fs:r:x/library/app:1', true, 'a prefix in it'],
    ['store:x:2', 'store:x:2', false, 'a name in the store'],
    ['store:', `store:${reference}`, true, 'the store'],
    ['store:me/', 'store:me/library/app:1', true, 'a prefix in the store'],
  ]
  for (const [place, target, many, why] of rows) {
    t.equal(targetOf(place, { ...(reference !== undefined && { reference }) }), target, why)
    t.equal(takesMany(place), many, `many: ${why}`)
  }
  t.equal(targetOf('oci:out', {}), 'oci:out', 'a layout takes an image without a name')
  for (const place of [undefined, 'h.x/', 'store:', 'registry-fs:r']) {
    t.throws(() => targetOf(place, {}), { code: 'PLACE_MISSING' }, `nameless: ${place}`)
  }
  for (const place of ['oci:', 'docker:x', 'dir:/x'])
    t.throws(() => targetOf(place, { ...(reference !== undefined && { reference }) }), ToolError, place)
})
