// Packing and unpacking of layers, and of an image from a registry to a root filesystem.
import { compare, onExit, options, shell } from '../harness.mjs'
import { startRegistry } from '../registry.mjs'
import { debianTree, mixedFile, nodeModulesTree } from '../trees.mjs'

/** Targets for wall times. A large single file has none, because its time is that of one compressor. */
const TARGETS = {
  debian: { pack: 1, fast: 0.4, zstd: 0.5, tar: 0.9, umociUnpack: 0.4 },
  node_modules: { pack: 0.7, fast: 0.4, zstd: 0.5, tar: 0.8, umociUnpack: 0.25 },
}
const PEAK = { what: 'peak', most: 200 }
const STORED = 'find "$W/store/blobs" -type f -printf "%s\\n" | sort -n | tail -n 1'
const UMOCI = 'find "$W/umoci/blobs" -type f -printf "%s\\n" | sort -n | tail -n 1'
const UMOCI_NEW = 'peer umoci init --layout "$W/umoci" && peer umoci new --image "$W/umoci:t"'
const NOTHING = 'rm -rf "$W/store" "$W/umoci" "$W/out" "$W/out.tar.gz"'

export default function layers() {
  const trees = treesOf()
  for (const { name, dir } of trees) {
    pack(name, dir)
    unpack(name, dir)
  }
  pull(trees)
}

function* usualTrees() {
  yield { name: 'debian', dir: debianTree() }
  yield { name: 'node_modules', dir: nodeModulesTree() }
  yield { name: 'mixed', dir: mixedFile() }
}

function treesOf() {
  const trees = options.tree === undefined ? [...usualTrees()] : [{ name: options.tree, dir: options.tree }]
  for (const { name, dir } of trees)
    console.log(
      `${name}: ${shell(`find "${dir}" | wc -l`)} entries, ${shell(`du -sh --apparent-size "${dir}" | cut -f1`)}`,
    )
  return trees
}

function pack(name, dir) {
  const { pack, fast, zstd } = TARGETS[name] ?? {}
  const most = (limit, ...others) => (limit === undefined ? [] : others.map(to => ({ to, most: limit })))
  const ours = (how, targets, more = {}) => ({
    command: `layer-pack --dir "${dir}" ${how} > /dev/null`,
    size: STORED,
    targets: [...targets, PEAK],
    ...more,
  })
  compare(`pack ${name}`, NOTHING, [
    {
      name: 'layer-pack',
      ...ours('', [
        ...most(pack, 'umoci insert', 'tar | pigz'),
        { what: 'size', to: 'umoci insert', most: 1.01 },
      ]),
    },
    {
      name: '... libisal',
      needs: '/usr/lib/*/libisal.so.2',
      ...ours('--engine libisal', most(fast, 'umoci insert')),
    },
    {
      name: '... libdeflate',
      needs: '/usr/lib/*/libdeflate.so.0',
      ...ours('--engine libdeflate', [{ what: 'size', to: 'umoci insert', most: 1.01 }]),
    },
    { name: '... zstd', ...ours('--compress zstd', most(zstd, 'umoci insert')) },
    { name: '... none', ...ours('--compress none', []) },
    {
      name: 'umoci insert',
      needs: 'umoci',
      peer: true,
      prepare: UMOCI_NEW,
      command: `peer umoci insert --image "$W/umoci:t" "${dir}" / > /dev/null`,
      size: UMOCI,
    },
    {
      name: 'tar | pigz',
      needs: 'pigz',
      command: `tar -C "${dir}" --xattrs -cf - . | pigz > "$W/out.tar.gz"`,
      size: 'stat -c %s "$W/out.tar.gz"',
    },
  ])
}

/** All contenders unpack the same layer, which we made; umoci gets it as an image. */
function unpack(name, dir) {
  const { tar, umociUnpack } = TARGETS[name] ?? {}
  shell(`rm -rf "$W/images"
    for how in gzip zstd; do
      layer-pack --store "$W/images" --dir "${dir}" --compress $how | tee "$W/$how.json" |
        manifest-gen --store "$W/images" -t bench:$how | blob-put --store "$W/images" "oci:$W/image:$how" > /dev/null
    done`)
  const blob = how => shell(`jq -r 'select(.type == "layer").path' "$W/${how}.json"`)
  const [gzip, zstd] = [blob('gzip'), blob('zstd')]
  const most = (to, limit) => (limit === undefined ? [] : [{ to, most: limit }])
  compare(`unpack ${name}`, 'rm -rf "$W/out"', [
    {
      name: 'untar',
      command: `untar --tar "${gzip}" "$W/out" > /dev/null`,
      targets: [...most('tar -xzf', tar), ...most('umoci unpack', umociUnpack), PEAK],
    },
    {
      name: '... zstd',
      command: `untar --tar "${zstd}" "$W/out" > /dev/null`,
      targets: [{ to: 'untar', most: 0.8 }, PEAK],
    },
    {
      name: 'tar -xzf',
      prepare: 'mkdir "$W/out"',
      command: `tar -C "$W/out" --xattrs --xattrs-include="*" -xzpf "${gzip}"`,
    },
    {
      name: 'igzip -dc | tar',
      needs: 'igzip',
      prepare: 'mkdir "$W/out"',
      command: `igzip -dc "${gzip}" | tar -C "$W/out" --xattrs --xattrs-include="*" -xpf -`,
    },
    {
      name: 'bsdtar',
      needs: 'bsdtar',
      prepare: 'mkdir "$W/out"',
      command: `bsdtar -C "$W/out" -xpf "${gzip}"`,
    },
    {
      name: 'umoci unpack',
      needs: 'umoci',
      peer: true,
      command: 'peer umoci unpack --image "$W/image:gzip" "$W/out" > /dev/null',
    },
  ])
  shell('rm -rf "$W/images" "$W/image" "$W/out"')
}

/** An image of the trees; each tree is a layer. */
function pull(trees) {
  const registry = startRegistry()
  if (registry === undefined) return
  const image = `${registry}/bench/trees:1`
  const packs = trees.map(({ dir }) => `layer-pack --dir "${dir}";`).join(' ')
  shell(`rm -rf "$W/store"
    { ${packs} } | grep '"type":"layer"' | manifest-gen --no-end -t bench:1 | blob-put "docker://${image}" > /dev/null`)
  const podman = `peer podman --root "$W/podman" --runroot "$W/podman-run" --storage-driver overlay`
  onExit(() => shell(`${podman} system reset -f > /dev/null 2>&1 || true`))
  compare(
    'pull and unpack an image',
    `rm -rf "$W/store" "$W/out"; ${podman} rmi -af > /dev/null 2>&1 || true`,
    [
      {
        name: 'img-pull | untar',
        command: `img-pull "docker://${image}" | untar "$W/out" > /dev/null`,
        targets: [{ to: 'podman pull', most: 0.6 }, PEAK],
      },
      {
        name: 'podman pull',
        needs: 'podman',
        peer: true,
        command: `${podman} pull -q --tls-verify=false "${image}" > /dev/null`,
      },
    ],
  )
}
