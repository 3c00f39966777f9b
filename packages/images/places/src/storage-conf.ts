import { ToolError } from '@pipelayer/errors'
import { isTable, parseTOML, type Table } from '@pipelayer/mirrors'

/** Who asks for the usual storage. */
export interface StorageUser {
  /** The id of the user; undefined on systems without such ids. */
  readonly uid: number | undefined
  readonly env: Readonly<Record<string, string | undefined>>
  /** Reads a file; undefined where it does not exist. */
  readonly readFile: (file: string) => string | undefined
}

/** The storage that podman of this user works with. */
export interface UsualStorage {
  readonly root: string
  readonly driver?: string
  /** Further storages, of which images are only read. */
  readonly additional: readonly string[]
}

const SYSTEM_FILES = ['/etc/containers/storage.conf', '/usr/share/containers/storage.conf']
const SYSTEM_ROOT = '/var/lib/containers/storage'

/**
 * Finds the storage of a user as podman does: by `$CONTAINERS_STORAGE_CONF`, else the user's own storage.conf, else that of
 * the system. An ordinary user's is in `$XDG_DATA_HOME/containers/storage`, unless a file says otherwise; inside of
 * `podman unshare` it is still that of the user.
 *
 * Spec: containers-storage.conf(5).
 *
 * @throws ToolError `STORAGE_CONF_INVALID`; `PLACE_INVALID`: the user has no home
 */
export function usualStorage({ uid, env, readFile }: StorageUser): UsualStorage {
  const user = rootlessID(uid, env)
  const only = env.CONTAINERS_STORAGE_CONF
  const system = tableIn(only === undefined ? SYSTEM_FILES : [only], readFile)
  const driver = env.STORAGE_DRIVER
  const explicit = driver ? { driver } : {}
  if (user === undefined)
    return { root: text(system, 'graphroot') ?? SYSTEM_ROOT, ...explicit, additional: additionalIn(system) }
  const own = tableIn([only ?? `${configOf(env)}/containers/storage.conf`], readFile)
  const names: StorageUser['env'] = { HOME: env.HOME, USER: env.USER, UID: user }
  const path = text(system, 'rootless_storage_path')?.replace(
    /\$(HOME|USER|UID)\b/g,
    (_, name) => names[name] ?? '',
  )
  return {
    root: text(own, 'graphroot') ?? path ?? `${dataOf(env)}/containers/storage`,
    ...explicit,
    additional: additionalIn(isTable(own.options) ? own : system),
  }
}

// podman unshare runs as root of a user namespace, and says who its user is.
function rootlessID(uid: number | undefined, env: StorageUser['env']): string | undefined {
  if (uid !== 0) return String(uid ?? '')
  const id = env._CONTAINERS_ROOTLESS_UID
  return env._CONTAINERS_USERNS_CONFIGURED && id && id !== '0' ? id : undefined
}

function tableIn(files: readonly string[], readFile: StorageUser['readFile']): Table {
  for (const file of files) {
    const content = readFile(file)
    if (content === undefined) continue
    try {
      const { storage } = parseTOML(content, file)
      return isTable(storage) ? storage : {}
    } catch (error) {
      if (!(error instanceof ToolError)) throw error
      throw new ToolError('STORAGE_CONF_INVALID', error.message, { cause: error })
    }
  }
  return {}
}

function text(table: Table, field: string): string | undefined {
  const value = table[field]
  return typeof value === 'string' && value !== '' ? value : undefined
}

function additionalIn({ options }: Table): readonly string[] {
  const list = isTable(options) ? options.additionalimagestores : undefined
  return Array.isArray(list) ? list.filter(item => typeof item === 'string') : []
}

function configOf(env: StorageUser['env']): string {
  return env.XDG_CONFIG_HOME || `${homeOf(env)}/.config`
}

function dataOf(env: StorageUser['env']): string {
  return env.XDG_DATA_HOME || `${homeOf(env)}/.local/share`
}

function homeOf({ HOME }: StorageUser['env']): string {
  if (HOME) return HOME
  throw new ToolError(
    'PLACE_INVALID',
    'cannot find the storage of this user: HOME is not set: say containers-storage:[ROOT]REFERENCE',
  )
}
