// The endpoints of distribution-spec v1.1, "Endpoints" (end-1 to end-13), one after another as the specification's own
// conformance tests call them: each with the statuses and the headers that it demands.
import t, { type Test } from 'tap'
import { KINDS, type Lab, startLab } from './client.js'
import { BLOB_CALLS, blob, type Call, NONE } from './spec-blobs.js'
import { MANIFEST_CALLS } from './spec-manifests.js'

for (const kind of KINDS) {
  t.test(kind, async t => {
    const lab = await startLab(t, kind)
    let location = ''
    for (const call of [...BLOB_CALLS, ...MANIFEST_CALLS])
      location = await check(t, lab, { ...call, url: call.url.replace('LOCATION', location) })
    await blobDeletion(t, lab, kind)
  })
}

/** @returns the Location of the answer */
async function check(t: Test, { send }: Lab, call: Call): Promise<string> {
  const { end, does, method, url, headers = {}, body, gives = {} } = call
  const answer = await send(method, url, { headers, ...(body !== undefined && { body }) })
  const what = `${end} ${method}: ${does}`
  t.equal(answer.status, call.status, what)
  if (call.code !== undefined) t.equal(answer.code, call.code, what)
  if (call.json !== undefined) t.match(answer.json, call.json, what)
  for (const [name, value] of Object.entries(gives))
    t.match({ [name]: answer.headers[name] }, { [name]: value }, what)
  if (method === 'HEAD' || call.status === 204) t.equal(answer.body.length, 0, `${what}: no body`)
  return answer.headers.location ?? url.replace(/\?.*/, '')
}

/**
 * The specification allows a registry to refuse this, as a layout does, whose blobs belong to all of its repositories.
 */
async function blobDeletion(t: Test, { send }: Lab, kind: string): Promise<void> {
  const status = kind === 'folder' ? 202 : 405
  t.equal((await send('DELETE', blob)).status, status, 'end-10 DELETE: a blob')
  t.equal((await send('HEAD', blob)).status, kind === 'folder' ? 404 : 200, 'end-2 HEAD: after it')
  t.equal((await send('DELETE', `/v2/a/b/blobs/${NONE}`)).status, kind === 'folder' ? 404 : 405)
}
