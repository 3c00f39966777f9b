import { ToolError } from '@pipelayer/errors'
import type { Session } from './session.js'

/** Statuses by which registries say that they do not delete: distribution 2 for every tag. */
const UNSUPPORTED = [400, 405, 501]

/**
 * Deletes a manifest, or a tag alone. With a manifest, all of its tags go. Deleting what is not there is no failure,
 * since another program may have deleted it.
 *
 * Spec: distribution-spec v1.1, "Deleting tags" and "Deleting Manifests", which a registry may leave out.
 *
 * @param reference - a tag or a digest
 * @returns false when the registry does not delete tags; a manifest may still be deleted by its digest
 * @throws ToolError `DELETE_UNSUPPORTED`, for a digest; `UNAUTHORIZED`, `DENIED` and those of a refusal
 */
export async function deleteManifest(session: Session, reference: string): Promise<boolean> {
  const isDigest = reference.includes(':')
  const name = `${session.domain}/${session.path}${isDigest ? '@' : ':'}${reference}`
  const response = await session.request({
    method: 'DELETE',
    target: `manifests/${reference}`,
    actions: ['pull', 'delete'],
    expect: [200, 202, 204, 404, ...UNSUPPORTED],
    action: `delete ${name}`,
  })
  response.body.cancel()
  if (!UNSUPPORTED.includes(response.status)) return true
  if (!isDigest) return false
  const why = `the registry answers ${response.status}, it does not allow deleting`
  throw new ToolError('DELETE_UNSUPPORTED', `cannot delete ${name}: ${why}`)
}
