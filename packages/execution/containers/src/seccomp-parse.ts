/**
 * Reads the text of a seccomp profile. It may be anything: all of it is checked before it is used.
 *
 * @module
 */

import os from 'node:os'
import { messageOf, ToolError } from '@pipelayer/errors'
import type {
  SeccompArchitecture,
  SeccompArgument,
  SeccompFilter,
  SeccompProfile,
  SeccompRule,
} from './seccomp-profile.js'

type Fields = Readonly<Record<string, unknown>>

const ACTION = /^SCMP_ACT_(ALLOW|ERRNO|KILL|KILL_PROCESS|KILL_THREAD|LOG|NOTIFY|TRACE|TRAP)$/
const OPERATOR = /^SCMP_CMP_(NE|LT|LE|EQ|GE|GT|MASKED_EQ)$/
const ARCHITECTURE = /^SCMP_ARCH_[A-Z0-9_]{2,16}$/
const FLAG = /^SECCOMP_FILTER_FLAG_(LOG|SPEC_ALLOW|TSYNC|WAIT_KILLABLE_RECV)$/
const CALL = /^[a-z_][a-z0-9_]{0,63}$/
const CAPABILITY = /^CAP_[A-Z_]{2,40}$/
const KERNEL = /^\d{1,4}\.\d{1,4}$/
/** A system call has six arguments. */
const MAX_INDEX = 5

/**
 * Parses a profile in the form of Docker and podman.
 *
 * @param file - for the messages
 * @throws {ToolError} `SECCOMP_INVALID`
 */
export function parseProfile(text: string, file: string): SeccompProfile {
  const reader = new ProfileReader(file)
  return reader.profile(text)
}

class ProfileReader {
  readonly #file: string

  constructor(file: string) {
    this.#file = file
  }

  profile(text: string): SeccompProfile {
    const given = this.#object(this.#json(text), 'the profile')
    const archMap = this.#list(given.archMap, 'archMap').map(each => this.#architecture(each))
    const architectures = this.#words(given.architectures, ARCHITECTURE, 'architectures')
    if (archMap.length > 0 && architectures.length > 0)
      this.#fail('"architectures" and "archMap" cannot both be given')
    const flags = this.#words(given.flags, FLAG, 'flags')
    const rules = this.#list(given.syscalls, 'syscalls')
    return {
      defaultAction: this.#word(given.defaultAction, ACTION, 'defaultAction'),
      ...this.#errno({ name: given.defaultErrno, number: given.defaultErrnoRet }, 'defaultErrnoRet'),
      ...(archMap.length > 0 ? { archMap } : { architectures }),
      ...(flags.length > 0 ? { flags } : {}),
      ...this.#listener(given),
      syscalls: rules.map((each, index) => this.#rule(each, `syscalls[${index}]`)),
    }
  }

  #rule(value: unknown, at: string): SeccompRule {
    const given = this.#object(value, at)
    if (given.name !== undefined && given.names !== undefined)
      this.#fail(`${at}: "name" and "names" cannot both be given`)
    const names = given.name === undefined ? given.names : [given.name]
    const errno = this.#errno({ name: given.errno, number: given.errnoRet }, `${at}.errnoRet`)
    const { defaultErrnoRet: errnoRet } = errno
    return {
      names: this.#words(names, CALL, `${at}.names`),
      action: this.#word(given.action, ACTION, `${at}.action`),
      ...(errnoRet === undefined ? {} : { errnoRet }),
      args: this.#list(given.args, `${at}.args`).map(each => this.#argument(each, `${at}.args`)),
      includes: this.#filter(given.includes, `${at}.includes`),
      excludes: this.#filter(given.excludes, `${at}.excludes`),
    }
  }

  #argument(value: unknown, at: string): SeccompArgument {
    const given = this.#object(value, at)
    const valueTwo = this.#number(given.valueTwo ?? 0, Number.MAX_SAFE_INTEGER, `${at}.valueTwo`)
    return {
      index: this.#number(given.index, MAX_INDEX, `${at}.index`),
      value: this.#number(given.value, Number.MAX_SAFE_INTEGER, `${at}.value`),
      ...(valueTwo === 0 ? {} : { valueTwo }),
      op: this.#word(given.op, OPERATOR, `${at}.op`),
    }
  }

  #filter(value: unknown, at: string): SeccompFilter {
    const given = this.#object(value ?? {}, at)
    const caps = this.#words(given.caps, CAPABILITY, `${at}.caps`)
    const arches = this.#words(given.arches, CALL, `${at}.arches`)
    const minKernel = given.minKernel ?? ''
    return {
      ...(caps.length > 0 ? { caps } : {}),
      ...(arches.length > 0 ? { arches } : {}),
      ...(minKernel === '' ? {} : { minKernel: this.#word(minKernel, KERNEL, `${at}.minKernel`) }),
    }
  }

  #architecture(value: unknown): SeccompArchitecture {
    const given = this.#object(value, 'archMap')
    return {
      architecture: this.#word(given.architecture, ARCHITECTURE, 'archMap.architecture'),
      subArchitectures: this.#words(given.subArchitectures, ARCHITECTURE, 'archMap.subArchitectures'),
    }
  }

  // podman's profiles say an errno by its name too, and the name counts.
  #errno(
    { name, number }: { readonly name: unknown; readonly number: unknown },
    at: string,
  ): { readonly defaultErrnoRet?: number } {
    if (typeof name === 'string' && name !== '') {
      const known: Readonly<Record<string, number | undefined>> = os.constants.errno
      return {
        defaultErrnoRet: known[name] ?? this.#fail(`${at}: there is no errno ${JSON.stringify(name)}`),
      }
    }
    if (number === undefined || number === null) return {}
    return { defaultErrnoRet: this.#number(number, 0xffff, at) }
  }

  #listener(given: Fields): { readonly listenerPath?: string; readonly listenerMetadata?: string } {
    const { listenerPath, listenerMetadata } = given
    return {
      ...(typeof listenerPath === 'string' && listenerPath !== '' ? { listenerPath } : {}),
      ...(typeof listenerMetadata === 'string' && listenerMetadata !== '' ? { listenerMetadata } : {}),
    }
  }

  #json(text: string): unknown {
    try {
      return JSON.parse(text)
    } catch (error) {
      return this.#fail(`it is no JSON: ${messageOf(error)}`)
    }
  }

  #object(value: unknown, at: string): Fields {
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Fields
    return this.#fail(`${at} is no object`)
  }

  #list(value: unknown, at: string): readonly unknown[] {
    if (value === undefined || value === null) return []
    return Array.isArray(value) ? value : this.#fail(`${at} is no list`)
  }

  #words(value: unknown, form: RegExp, at: string): string[] {
    return this.#list(value, at).map(each => this.#word(each, form, at))
  }

  #word(value: unknown, form: RegExp, at: string): string {
    if (typeof value === 'string' && form.test(value)) return value
    return this.#fail(`${at} cannot be ${JSON.stringify(value) ?? 'missing'}`)
  }

  // Larger numbers than these would not be read exactly.
  #number(value: unknown, most: number, at: string): number {
    if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 && value <= most) return value
    return this.#fail(`${at} is no number from 0 to ${most}: ${JSON.stringify(value) ?? 'it is missing'}`)
  }

  #fail(why: string): never {
    throw new ToolError('SECCOMP_INVALID', `the seccomp profile "${this.#file}" is wrong: ${why}`)
  }
}
