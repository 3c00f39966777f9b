import { readdirSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { errnoOf, systemError } from '@pipelayer/errors'
import { readNamed } from '@pipelayer/sys'
import type { Route, RouteOptions } from './endpoint.js'
import { parseHosts } from './hosts-toml.js'
import {
  parseHelpers,
  parseRegistries,
  type Registries,
  type RegistryRule,
  routeIn,
} from './registries-conf.js'

/** Bytes of a file at most. */
const MAX_FILE = 16 * 1024 * 1024

/** The files that configure mirrors. */
export interface MirrorFiles {
  /** Candidates for registries.conf; the first one that exists is read. */
  readonly registries: readonly string[]
  /**
   * Folders whose `*.conf` files are read after registries.conf, in the order of names; a later prefix replaces an
   * earlier one.
   */
  readonly registriesDirs: readonly string[]
  /** Folders of `HOST/hosts.toml`. */
  readonly hostsDirs: readonly string[]
}

/** Returns the route to a repository; undefined when no file has a rule for it. */
export type Router = (options: RouteOptions) => Route | undefined

/** The usual files: podman's, where the user's own take precedence over the system's, and containerd's. */
export function mirrorFiles(env: Readonly<Record<string, string | undefined>>): MirrorFiles {
  const hostsDirs = ['/etc/containerd/certs.d']
  const only = env.CONTAINERS_REGISTRIES_CONF
  if (only) return { registries: [only], registriesDirs: [], hostsDirs }
  const config = env.XDG_CONFIG_HOME || (env.HOME && `${env.HOME}/.config`)
  const folders = ['/etc/containers', ...(config ? [`${config}/containers`] : [])]
  return {
    registries: [...folders].reverse().map(folder => `${folder}/registries.conf`),
    registriesDirs: folders.map(folder => `${folder}/registries.conf.d`),
    hostsDirs,
  }
}

/**
 * Reads the files when the router is first called. A repository for which registries.conf has a rule is not looked up
 * in hosts.toml.
 *
 * The router throws ToolError `MIRRORS_INVALID` for a broken file; `EACCES`.
 */
export function readMirrors(files: MirrorFiles): Router {
  let registries: Registries | undefined
  return options => {
    registries ??= readRegistries(files)
    return routeIn(registries, options) ?? hostsRoute(files.hostsDirs, options)
  }
}

/**
 * The programs that keep credentials for every host, as registries.conf lists them; empty where it lists none. The last
 * file that has a list counts. The files are read when the function is first called.
 *
 * The function throws ToolError `MIRRORS_INVALID` for a broken file; `EACCES`.
 */
export function readHelpers(files: MirrorFiles): () => readonly string[] {
  let helpers: readonly string[] | undefined
  return () => {
    helpers ??= registriesFiles(files)
      .map(file => parseHelpers(readIfThere(file) ?? '', file))
      .findLast(list => list !== undefined)
    helpers ??= []
    return helpers
  }
}

function readRegistries(files: MirrorFiles): Registries {
  const merged = new Map<string, RegistryRule>()
  for (const file of registriesFiles(files)) {
    for (const [prefix, rule] of parseRegistries(readIfThere(file) ?? '', file)) merged.set(prefix, rule)
  }
  return merged
}

function registriesFiles({ registries, registriesDirs }: MirrorFiles): string[] {
  const first = registries.find(file => readIfThere(file) !== undefined)
  const others = registriesDirs.flatMap(dir => filesIn(dir).map(name => `${dir}/${name}`))
  return [...(first === undefined ? [] : [first]), ...others]
}

// As in containerd, the folder of the host is used, else the folder for all other hosts.
function hostsRoute(dirs: readonly string[], options: RouteOptions): Route | undefined {
  for (const dir of dirs) {
    for (const host of [options.domain, '_default']) {
      const name = `${dir}/${host}/hosts.toml`
      const text = readIfThere(name)
      if (text === undefined) continue
      const readFile = (path: string): string => readGiven(resolve(dirname(name), path))
      return parseHosts(text, { name, readFile }, options)
    }
  }
  return undefined
}

function filesIn(dir: string): string[] {
  try {
    return readdirSync(dir)
      .filter(name => name.endsWith('.conf'))
      .sort()
  } catch (error) {
    if (isAbsent(error)) return []
    throw systemError(error, `read "${dir}"`)
  }
}

function readIfThere(path: string): string | undefined {
  try {
    return readNamed(path, MAX_FILE).toString('utf8')
  } catch (error) {
    if (isAbsent(error)) return undefined
    throw systemError(error, `read "${path}"`)
  }
}

function readGiven(path: string): string {
  try {
    return readNamed(path, MAX_FILE).toString('utf8')
  } catch (error) {
    throw systemError(error, `read "${path}"`)
  }
}

function isAbsent(error: unknown): boolean {
  return errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR'
}
