// Images to and from registries, and from one to another.
import { compare, onExit, options, shell } from '../harness.mjs'
import { startRegistry } from '../registry.mjs'

const PEAK = { what: 'peak', most: 150 }
const MEGABYTE = options.isSmall ? 10_000 : 1_000_000
const SMALL_IMAGES = options.isSmall ? 8 : 200

/** Images of random bytes, which cannot be compressed: the megabytes of each layer, by name. */
const IMAGES = [
  { name: '1 layer of 200 MB', tag: 'one', layers: [200], most: 1.1 },
  { name: '12 layers of 8 MB', tag: 'twelve', layers: Array(12).fill(8), most: 0.9 },
]

export default function registry() {
  const host = startRegistry()
  if (host === undefined) return
  for (const image of IMAGES) {
    makeImage(image)
    push(host, image)
    pull(host, image)
    pullToDisk(host, image)
  }
  copy(host)
}

function makeImage({ tag, layers }) {
  shell(`mkdir -p "$W/tree"
    for size in ${layers.join(' ')}; do
      head -c $((size * ${MEGABYTE})) /dev/urandom > "$W/tree/file"
      layer-pack --store "$W/images" --dir "$W/tree" --compress none
    done | grep '"type":"layer"' | manifest-gen --store "$W/images" --no-end -t bench:${tag} |
      blob-put --store "$W/images" "oci:$W/image:${tag}" > "$W/${tag}.ndjson"
    rm -r "$W/tree"`)
}

function push(host, { name, tag, most }) {
  const target = `${host}/push:${tag}`
  compare(`push ${name}`, 'rm -rf "$W/registry/docker"', [
    {
      name: 'blob-put',
      command: `blob-put "docker://${target}" < "$W/${tag}.ndjson" > /dev/null`,
      targets: [...peers(most, 'crane push'), PEAK],
    },
    {
      name: 'skopeo copy',
      needs: 'skopeo',
      peer: true,
      command: `peer skopeo copy -q --dest-tls-verify=false "oci:$W/image:${tag}" "docker://${target}"`,
    },
    {
      name: 'crane push',
      needs: 'crane',
      prepare: `rm -rf "$W/single"; skopeo copy -q "oci:$W/image:${tag}" "oci:$W/single:${tag}"`,
      command: `crane push --insecure "$W/single" "${target}" 2> /dev/null`,
    },
    {
      name: 'oras copy',
      needs: 'oras',
      command: `oras copy --no-tty --to-plain-http --from-oci-layout "$W/image:${tag}" "${target}" > /dev/null`,
    },
  ])
}

function pull(host, { name, tag, most }) {
  const source = `${host}/pull:${tag}`
  shell(`blob-put "docker://${source}" < "$W/${tag}.ndjson" > /dev/null`)
  compare(`pull ${name}`, 'rm -rf "$W/store" "$W/out"', pullers(source, '$W', most, true))
}

// Writes to the disk, fsync included. The folder is not visible inside the root folder of --peers, so programs of this
// machine are compared.
function pullToDisk(host, { name, tag, most }) {
  const disk = shell('mktemp -d /var/tmp/pipelayer-bench-XXXXXX')
  onExit(() => shell(`rm -rf "${disk}"`))
  const prepare = `rm -rf "${disk}/store" "${disk}/out"; sync`
  compare(`pull ${name} to a disk`, prepare, pullers(`${host}/pull:${tag}`, disk, most, false))
}

function pullers(source, folder, most, peer) {
  return [
    {
      name: 'img-pull',
      command: `img-pull --store "${folder}/store" "docker://${source}" > /dev/null`,
      targets: [...peers(most, 'crane pull'), PEAK],
    },
    {
      name: 'skopeo copy',
      needs: 'skopeo',
      peer,
      command: `peer=${peer ? 'peer' : ''}; $peer skopeo copy -q --src-tls-verify=false "docker://${source}" "oci:${folder}/out:1"`,
    },
    {
      name: 'crane pull',
      needs: 'crane',
      command: `crane pull --insecure --format oci "${source}" "${folder}/out"`,
    },
    {
      name: 'oras copy',
      needs: 'oras',
      command: `oras copy --no-tty --from-plain-http --to-oci-layout "${source}" "${folder}/out:1" > /dev/null`,
    },
  ]
}

// The fastest of several peers counts, so each of them is a target.
function peers(most, crane) {
  return ['skopeo copy', crane, 'oras copy'].map(to => ({ to, most }))
}

function copy(host) {
  const other = startRegistry('mirror')
  const references = '$W/references'
  shell(`node scripts/small-images.mjs "$W/blobs" ${SMALL_IMAGES} ${host}/small |
    blob-put | jq -r '.reference // empty' > "${references}"`)
  const ours = `blob-put "docker://${other}/" > /dev/null`
  const targets = [{ to: 'xargs -P8 skopeo copy', most: 0.5 }, PEAK]
  const skopeo = `skopeo copy -q --src-tls-verify=false --dest-tls-verify=false`
  compare(`copy ${SMALL_IMAGES} images`, 'rm -rf "$W/mirror/docker" "$W/store"', [
    { name: 'img-pull | blob-put', command: `img-pull - < "${references}" | ${ours}`, targets },
    {
      name: '... --no-store',
      command: `img-pull --no-store - < "${references}" | ${ours}`,
      targets,
    },
    {
      name: 'xargs -P8 skopeo copy',
      needs: 'skopeo',
      command: `xargs -P8 -I{} sh -c 'r={}; exec ${skopeo} "docker://$r" "docker://${other}/\${r#*/}"' < "${references}"`,
    },
    {
      name: 'xargs -P8 crane copy',
      needs: 'crane',
      command: `xargs -P8 -I{} sh -c 'r={}; exec crane copy --insecure "$r" "${other}/\${r#*/}" 2> /dev/null' < "${references}"`,
    },
  ])
}
