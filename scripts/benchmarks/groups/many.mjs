// Time for each file, and memory, as trees grow.
import { compare, options, shell } from '../harness.mjs'
import { manyFiles } from '../trees.mjs'

/** With a hundred times as many files, one file must not cost more. */
const [FEW, MANY] = options.isSmall ? [1_000, 3_000] : [10_000, 1_000_000]

export default function many() {
  for (const bytes of [0, 4096]) filesOf(bytes)
}

function filesOf(bytes) {
  const what = bytes === 0 ? 'empty files' : `files of ${bytes} bytes`
  const [few, all] = [FEW, MANY].map(count => manyFiles(count, bytes))
  const rows = (verb, command) => [
    { name: `${verb} ${FEW}`, command: command(few), items: FEW },
    {
      name: `${verb} ${MANY}`,
      command: command(all),
      items: MANY,
      targets: [
        { what: 'item', to: `${verb} ${FEW}`, most: 1.25 },
        { what: 'peak', most: 200 },
      ],
    },
  ]
  const remove = 'rm -rf "$W/store" "$W/out"'
  compare(
    `pack ${what} in folders of 1,000`,
    remove,
    rows('layer-pack', dir => `layer-pack --dir "${dir}" > /dev/null`),
  )
  for (const dir of [few, all])
    shell(
      `rm -rf "$W/store"; layer-pack --dir "${dir}" | jq -r 'select(.type == "layer").path' | xargs -I{} mv {} "${dir}.tar.gz"; rm -rf "${dir}"`,
    )
  compare(
    `unpack ${what} in folders of 1,000`,
    remove,
    rows('untar', dir => `untar --tar "${dir}.tar.gz" "$W/out" > /dev/null`),
  )
  shell(`rm -rf "$W/store" "$W/out" "${few}.tar.gz" "${all}.tar.gz"`)
}
