import t from 'tap'
import { archiveContent, archiveName } from '../src/index.js'

const HEX = 'a'.repeat(64)

t.test('names in archives', async t => {
  const rows: readonly { name: string; content: object; why: string }[] = [
    {
      name: archiveName(`sha256:${HEX}`),
      content: { kind: 'blob', digest: `sha256:${HEX}`, offset: 0 },
      why: 'a blob',
    },
    {
      name: archiveName(`sha256:${HEX}`, 7),
      content: { kind: 'blob', digest: `sha256:${HEX}`, offset: 7 },
      why: 'a rest',
    },
    {
      name: `././blobs/sha256/${HEX}`,
      content: { kind: 'blob', digest: `sha256:${HEX}`, offset: 0 },
      why: 'of tar',
    },
    { name: 'index.json', content: { kind: 'index' }, why: 'the index' },
    { name: 'x/index.json', content: { kind: 'other' }, why: 'another index' },
    { name: `blobs/sha256/${HEX.slice(1)}`, content: { kind: 'other' }, why: 'a digit short' },
    { name: `blobs/sha256/${HEX}/`, content: { kind: 'other' }, why: 'a directory' },
    { name: `rests/sha256/${HEX}.-1`, content: { kind: 'other' }, why: 'before its start' },
    { name: `blobs/sha256/../sha256/${HEX}`, content: { kind: 'other' }, why: 'a way around' },
    { name: `blobs/md5/${HEX.slice(0, 32)}`, content: { kind: 'other' }, why: 'what we cannot check' },
  ]
  for (const { name, content, why } of rows) t.same(archiveContent(name), content, why)
})
