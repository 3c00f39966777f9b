// How long it takes to list a store of thousands of images, and to remove thousands of blobs from it.
import { compare, options, shell } from '../harness.mjs'

const IMAGES = options.isSmall ? 20 : 2_000
const BLOBS = options.isSmall ? 50 : 5_000
/** Seconds beyond the start of Node. Both kinds of seconds count: on a busy machine CPU time says more. */
const beyondNode = most => ['wall', 'cpu'].map(what => ({ what, beyond: NODE.name, most }))
const NODE = { name: 'node -e 0', command: 'node -e 0' }

export default function store() {
  shell(`rm -rf "$W/store"
    node scripts/small-images.mjs "$W/blobs" ${IMAGES} localhost/small | blob-put store: > /dev/null
    rm -r "$W/blobs"
    img-ls > /dev/null`)
  compare(`list ${IMAGES} images`, 'true', [
    NODE,
    { name: 'img-ls', command: 'img-ls > /dev/null', targets: beyondNode(0.15) },
    { name: '... as a table', command: 'img-ls --format text > /dev/null', targets: beyondNode(0.15) },
    // After this many pulls, since the documents of each image are read once.
    { name: '... the first time', prepare: 'rm -r "$W/store/summaries"', command: 'img-ls > /dev/null' },
    { name: 'img-du', command: 'img-du > /dev/null' },
  ])
  shell(`rm -rf "$W/store" "$W/loose"; mkdir -p "$W/loose"
    printf '{"imageLayoutVersion":"1.0.0"}' > "$W/loose/oci-layout"
    printf '{"schemaVersion":2,"manifests":[]}' > "$W/loose/index.json"
    mkdir -p "$W/loose/blobs/sha256"
    for number in $(seq ${BLOBS}); do
      echo "$number" > "$W/loose/blobs/sha256/$(printf %064x "$number")"
    done`)
  compare(`remove ${BLOBS} blobs that nobody needs`, 'rm -rf "$W/store"; cp -a "$W/loose" "$W/store"', [
    NODE,
    { name: 'img-gc', command: 'img-gc --min-age 0 > /dev/null', targets: beyondNode(1) },
    { name: '... --dry-run', command: 'img-gc --min-age 0 --dry-run > /dev/null' },
    { name: 'rm', command: 'rm -r "$W/store"' },
  ])
}
