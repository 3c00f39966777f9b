// How long a program takes to start, and to do the least it can do.
import fs from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { compare } from '../harness.mjs'

const bin = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../../../bin')

export default function start() {
  compare('start-up (--version)', 'true', [
    { name: 'node -e 0', command: 'node -e 0' },
    ...fs
      .readdirSync(bin)
      .sort()
      .map(tool => ({
        name: tool,
        command: `${tool} --version > /dev/null`,
      })),
  ])
  compare('one file', 'rm -rf "$W/store" "$W/out"; mkdir -p "$W/one"; echo a > "$W/one/file"', [
    { name: 'node -e 0', command: 'node -e 0' },
    { name: 'layer-pack', command: 'layer-pack --dir "$W/one" > /dev/null' },
    {
      name: '... libisal',
      needs: '/usr/lib/*/libisal.so.2',
      command: 'layer-pack --dir "$W/one" --engine libisal > /dev/null',
    },
    { name: '... zstd', command: 'layer-pack --dir "$W/one" --compress zstd > /dev/null' },
    {
      name: 'untar',
      prepare: 'tar -C "$W/one" -czf "$W/one.tar.gz" .',
      command: 'untar --tar "$W/one.tar.gz" "$W/out" > /dev/null',
    },
  ])
}
