import fs from 'node:fs'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { quote, runProgram } from '@pipelayer/containers'
import { attempt, ToolError } from '@pipelayer/errors'
import type { ExecutorSetup } from '@pipelayer/executor'
import { type AnyRecord, parseRecord } from '@pipelayer/records'
import type { ImagesAction } from '@pipelayer/steps'

/** Images named in one message. */
const MAX_NAMED = 20

/**
 * Brings the images that new layers name into `registry/` of a root filesystem, with the pipe that a user would write:
 * `kf-images LAYERS | img-pull - | blob-put registry-fs:ROOTFS/registry`. What the base has there is not fetched again.
 *
 * @throws {ToolError} `IMAGES_FAILED` when one cannot be found or brought: all of them are named
 */
export async function bringImages(setup: ExecutorSetup, action: ImagesAction, target: string): Promise<void> {
  const work = fs.mkdtempSync(path.join(setup.memory, 'images-'))
  try {
    const references = path.join(work, 'references')
    const auth = path.join(work, 'containers/auth.json')
    fs.mkdirSync(path.dirname(auth), { mode: 0o700 })
    const found = await findImages(setup, action, { references, auth })
    if (found === 0) return
    setup.inform(`${found} container images come into the registry`)
    const copied = path.join(work, 'copied')
    const registry = path.join(target, 'registry')
    const script = pipeline(action, { references, copied, registry })
    const env = environment(setup.env, auth, work)
    const ended = await runProgram({ program: '/bin/sh', args: ['-c', script], env })
    await check(copied, ended.status, `registry-fs:${registry}:`)
  } finally {
    fs.rmSync(work, { recursive: true, force: true })
  }
}

/** Writes the references; gives their number. */
async function findImages(
  setup: ExecutorSetup,
  action: ImagesAction,
  files: { readonly references: string; readonly auth: string },
): Promise<number> {
  const chain = action.fresh.kind === 'chain' ? setup.openChain(action.fresh.lowers) : undefined
  try {
    const places = [...(chain ? [chain.dir] : []), ...(action.list === undefined ? [] : [action.list])]
    const args = ['--platform', action.platform, '--write-auth', files.auth, ...places]
    const script = `${words([...action.programs['kf-images'], ...args])} >${quote(files.references)}`
    const ended = await runProgram({ program: '/bin/sh', args: ['-c', script], env: setup.env })
    return await check(files.references, ended.status)
  } finally {
    chain?.close()
  }
}

function pipeline(
  { programs, platform, plainHttp }: ImagesAction,
  files: { readonly references: string; readonly copied: string; readonly registry: string },
): string {
  const http = plainHttp ? ['--plain-http'] : []
  const pull = [...programs['img-pull'], '-', '--platform', platform, '--no-store', ...http]
  const put = [...programs['blob-put'], ...http, `registry-fs:${files.registry}`]
  return `${words(pull)} <${quote(files.references)} | ${words(put)} >${quote(files.copied)}`
}

/** Counts references, and throws when something failed. */
async function check(file: string, status: number, place = ''): Promise<number> {
  const failures: string[] = []
  let references = 0
  for await (const line of createInterface({ input: fs.createReadStream(file) })) {
    if (line === '') continue
    const record = parseRecord(line) as AnyRecord
    if (record.type === 'reference') references++
    if (record.type === 'failed' || record.type === 'error') failures.push(nameOf(record, place))
  }
  if (failures.length === 0 && status === 0) return references
  const named = failures.slice(0, MAX_NAMED).join('; ')
  const more = failures.length > MAX_NAMED ? `; and ${failures.length - MAX_NAMED} more` : ''
  const what = failures.length === 0 ? `status ${status}` : `${named}${more}`
  throw new ToolError('IMAGES_FAILED', `images could not be brought into the registry: ${what}`, {
    status: status === 75 ? 75 : 1,
  })
}

/** Where a step works is nobody's place: images are named as the registry will have them. */
function nameOf(record: AnyRecord, place: string): string {
  const message = String(record.message)
  return place === '' ? message : message.replaceAll(place, '')
}

/** Credentials of the image list before those of the user: podman's place is asked first. */
function environment(
  env: Readonly<Record<string, string>>,
  auth: string,
  runtimeDir: string,
): Record<string, string> {
  if (!fs.existsSync(auth)) return { ...env }
  const { REGISTRY_AUTH_FILE: own, ...rest } = env
  if (own !== undefined && fs.existsSync(own)) mergeAuths(auth, own)
  return { ...rest, XDG_RUNTIME_DIR: runtimeDir }
}

function mergeAuths(auth: string, own: string): void {
  attempt(`read the credentials in "${own}"`, () => {
    const [theirs, ours] = [own, auth].map(file => JSON.parse(fs.readFileSync(file, 'utf8')) as object)
    const auths = { ...Reflect.get(theirs ?? {}, 'auths'), ...Reflect.get(ours ?? {}, 'auths') }
    fs.writeFileSync(auth, JSON.stringify({ ...theirs, auths }), { mode: 0o600 })
  })
}

function words(list: readonly string[]): string {
  return list.map(quote).join(' ')
}
