/**
 * Loads koffi, the foreign-function library, when it is first needed: it costs about 15 ms.
 *
 * @module
 */
import { createRequire } from 'node:module'
import type koffi from 'koffi'

/** The part of koffi that this package uses. */
export type Koffi = Pick<typeof koffi, 'load' | 'errno'>

export type Library = ReturnType<Koffi['load']>

/**
 * The function that koffi makes from a prototype. Pointers are passed as Buffer or null; 64-bit results are numbers
 * where they fit.
 */
export type NativeFunction = (...args: (number | bigint | string | Buffer | null)[]) => number

let loaded: Koffi | undefined
let failure: unknown

/**
 * The koffi module.
 *
 * @throws Error ENOSYS where there is no koffi for this platform or it is not installed.
 */
export function loadKoffi(): Koffi {
  if (loaded !== undefined) return loaded
  if (failure === undefined) {
    try {
      const load = createRequire(import.meta.url)
      loaded = platformKoffi(load) ?? (load('koffi') as Koffi)
      return loaded
    } catch (error) {
      failure = error
    }
  }
  throw Object.assign(new Error('ENOSYS: libc cannot be called, koffi does not load', { cause: failure }), {
    code: 'ENOSYS',
  })
}

/** Loads koffi's binary for this platform directly, where it is found: koffi's own search takes 5 of its 8 ms. */
function platformKoffi(load: NodeJS.Require): Koffi | undefined {
  try {
    const found = load(`@koromix/koffi-${process.platform}-${process.arch}`) as Partial<Koffi>
    return found.load && found.errno ? (found as Koffi) : undefined
  } catch {
    return undefined
  }
}
