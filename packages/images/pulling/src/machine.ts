import os from 'node:os'
import { type Platform, platformOfNode } from '@pipelayer/oci'

/** The platform of images that are wanted where no other is named. They are made for Linux, whatever system this is. */
export function machinePlatform(): Platform {
  return platformOfNode({ platform: 'linux', arch: process.arch, endianness: os.endianness() })
}
