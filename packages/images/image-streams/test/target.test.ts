// To which place an image is put, by the place that was given and the image's own reference.
import { ToolError } from '@pipelayer/errors'
import t from 'tap'
import { isArchive, isOnlyRead, isSerial, takesMany, targetOf } from '../src/target.js'

const DIGEST = `sha256:${'a'.repeat(64)}`

t.test('what kind of place it is', async t => {
  const rows: readonly [place: string, archive: boolean, onlyRead: boolean][] = [
    ['docker-archive:f', true, false],
    ['docker-archive:f:@1', true, true],
    ['oci-archive:-:x', true, false],
    [`oci-archive:f:@${DIGEST}`, true, true],
    ['docker-daemon:x', true, false],
    ['oci:d', false, false],
    ['oci:d:@0', false, true],
    [`oci:d:@${DIGEST}`, false, true],
    [`h.x/y@${DIGEST}`, false, false],
    ['store:', false, false],
  ]
  for (const [place, archive, onlyRead] of rows)
    t.same([isArchive(place), isOnlyRead(place)], [archive, onlyRead], place)
  t.equal(isArchive(undefined), false)
})

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
    ['docker-archive:f.tar:x', 'docker-archive:f.tar:x', false, 'a name in an archive'],
    ['docker-archive:f.tar', `docker-archive:f.tar:${reference}`, true, 'an archive'],
    ['docker-archive:-:', `docker-archive:-:${reference}`, true, 'stdout, with an empty name'],
    ['docker-archive:f/', `docker-archive:f/:${reference}`, true, 'a slash makes no prefix of a file'],
    ['oci-archive:f.tar:t', 'oci-archive:f.tar:t', false, 'a tag in an archive'],
    ['oci-archive:f.tar', `oci-archive:f.tar:${reference}`, true, 'a layout in a tar'],
    ['oci-archive:f.tar:@0', 'oci-archive:f.tar:@0', false, 'what the place refuses'],
    ['docker-store:/d:x:2', 'docker-store:/d:x:2', false, "a name in an engine's folder"],
    ['docker-store:/d', `docker-store:/d:${reference}`, true, "an engine's folder"],
    ['docker-store:/d/', `docker-store:/d:${reference}`, true, 'with a slash'],
    ['docker-store:/d:me/', 'docker-store:/d:me/library/app:1', true, 'a prefix in it'],
    [`oci:out:@${DIGEST}`, `oci:out:@${DIGEST}`, false, 'what the place refuses, too'],
    ['docker-daemon:x', 'docker-daemon:x', false, 'a name in an engine'],
    ['docker-daemon:', `docker-daemon:${reference}`, true, 'an engine'],
    ['docker-daemon:me/', 'docker-daemon:me/library/app:1', true, 'a prefix in an engine'],
    ['store:x:2', 'store:x:2', false, 'a name in the store'],
    ['store:', `store:${reference}`, true, 'the store'],
    ['store:me/', 'store:me/library/app:1', true, 'a prefix in the store'],
  ]
  for (const [place, target, many, why] of rows) {
    t.equal(targetOf(place, { ...(reference !== undefined && { reference }) }), target, why)
    t.equal(takesMany(place), many, `many: ${why}`)
  }
  t.equal(targetOf('oci:out', {}), 'oci:out', 'a layout takes an image without a name')
  t.equal(targetOf('docker-store:/d', {}), 'docker-store:/d', "and so does an engine's folder")
  for (const place of ['docker-store:/d', 'docker-archive:f', 'oci-archive:f:x']) t.ok(isSerial(place), place)
  for (const place of ['oci:out', 'store:', undefined]) t.notOk(isSerial(place), place ?? 'none')
  t.equal(
    targetOf('dir:out', { reference: 'docker.io/library/app:1' }),
    'dir:out',
    'a folder is for one image',
  )
  t.equal(
    targetOf('dir:out/', { reference: 'docker.io/library/app:1' }),
    'dir:out/library/app:1',
    'or a prefix',
  )
  for (const [reference, name, why] of [
    [`app@${DIGEST}`, '', 'a digest is no name in an archive'],
    [`app:1@${DIGEST}`, 'docker.io/library/app:1', 'a tag beside it is'],
    ['app', 'docker.io/library/app:latest', 'the default tag'],
    [undefined, '', 'it takes an image without a name'],
  ] as const) {
    const image = { ...(reference !== undefined && { reference }) }
    t.equal(targetOf('docker-archive:f', image), `docker-archive:f${name === '' ? '' : `:${name}`}`, why)
    t.equal(targetOf('docker-daemon:', image), `docker-daemon:${name}`, `an engine: ${why}`)
  }
  for (const place of [undefined, 'h.x/', 'store:', 'registry-fs:r']) {
    t.throws(() => targetOf(place, {}), { code: 'PLACE_MISSING' }, `nameless: ${place}`)
  }
  const tag = `sha256-${'a'.repeat(64)}.sig`
  for (const [place, unnamed, tagged] of [
    ['h.x/y:2', `docker://h.x/y@${DIGEST}`, `docker://h.x/y:${tag}`],
    ['store:x:2', `store:docker.io/library/x@${DIGEST}`, `store:docker.io/library/x:${tag}`],
    ['registry-fs:r:x:2', `registry-fs:r:x@${DIGEST}`, `registry-fs:r:x:${tag}`],
    ['registry-fs:r:a.b/x:2', `registry-fs:r:a.b/x@${DIGEST}`, `registry-fs:r:a.b/x:${tag}`],
    ['oci:out:2', 'oci:out', `oci:out:${tag}`],
    ['oci:out:h.x/y:2', 'oci:out', `oci:out:h.x/y:${tag}`],
    ['oci-archive:f:2', 'oci-archive:f', `oci-archive:f:${tag}`],
    ['docker-archive:f:2', 'docker-archive:f', `docker-archive:f:${tag}`],
    ['dir:out', 'dir:out', 'dir:out'],
  ] as const) {
    const refers = { subject: DIGEST, digest: DIGEST }
    t.equal(targetOf(place, refers), unnamed, `what refers to an image, beside ${place}`)
    t.equal(targetOf(place, { ...refers, reference: `a.b/c:${tag}` }), tagged, `with a tag, beside ${place}`)
  }
  for (const place of ['oci:', 'docker:x', 'sif:/x', 'docker-archive:'])
    t.throws(() => targetOf(place, { ...(reference !== undefined && { reference }) }), ToolError, place)
})
