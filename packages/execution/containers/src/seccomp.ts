/**
 * Chooses and reads the seccomp profile of a container.
 *
 * @module
 */

import fs from 'node:fs'
import os from 'node:os'
import { errnoOf, messageOf, ToolError } from '@pipelayer/errors'
import { parseProfile } from './seccomp-parse.js'
import { type LinuxSeccomp, type SeccompProfile, seccompOf } from './seccomp-profile.js'
import { OWN_PROFILE } from './seccomp-table.js'

/** The profile that an administrator wrote, and the one that podman and buildah brought. */
const MACHINE_PROFILES = ['/etc/containers/seccomp.json', '/usr/share/containers/seccomp.json']

/** The profiles of distributions have 20 KiB. */
const MAX_BYTES = 4 * 1024 * 1024

export interface SeccompOptions {
  /** The bounding set of the container, by which profiles allow more. */
  readonly capabilities: readonly string[]
  /** Where a profile of the machine may be, most wanted first. */
  readonly machineProfiles?: readonly string[]
}

/**
 * The filter of a container.
 *
 * @param choice - `default`: the machine's profile, or else a table of our own; `unconfined`: none; or else the file of
 * a profile
 * @throws {ToolError} `SECCOMP_INVALID` if the profile cannot be read or is wrong: the message says where
 */
export function seccompFilter(choice: string, options: SeccompOptions): LinuxSeccomp | undefined {
  if (choice === 'unconfined') return undefined
  const { capabilities, machineProfiles = MACHINE_PROFILES } = options
  const profile =
    choice === 'default'
      ? (firstProfile(machineProfiles) ?? OWN_PROFILE)
      : parseProfile(required(choice), choice)
  return seccompOf(profile, { arch: process.arch, kernel: os.release(), capabilities })
}

function firstProfile(files: readonly string[]): SeccompProfile | undefined {
  for (const file of files) {
    const text = read(file)
    if (text !== undefined) return parseProfile(text, file)
  }
  return undefined
}

function required(file: string): string {
  const text = read(file)
  if (text === undefined)
    throw new ToolError(
      'SECCOMP_INVALID',
      `there is no seccomp profile "${file}": give a file, "default" or "unconfined"`,
    )
  return text
}

function read(file: string): string | undefined {
  try {
    const stat = fs.statSync(file)
    if (!stat.isFile()) throw new Error('it is no file')
    if (stat.size > MAX_BYTES) throw new Error(`it has ${stat.size} bytes, more than ${MAX_BYTES}`)
    return fs.readFileSync(file, 'utf8')
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined
    throw new ToolError(
      'SECCOMP_INVALID',
      `the seccomp profile "${file}" cannot be read: ${messageOf(error)}`,
      {
        cause: error,
      },
    )
  }
}
