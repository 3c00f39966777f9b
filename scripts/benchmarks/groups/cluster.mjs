// The images of a cluster: 300 references in 60 manifests, with shared layers, are put into the registry inside a
// cluster image.
import { compare, options, shell } from '../harness.mjs'
import { startRegistry } from '../registry.mjs'

const IMAGES = options.isSmall ? 10 : 300
const MANIFESTS = options.isSmall ? 2 : 60

export default function cluster() {
  const host = startRegistry()
  const other = startRegistry('inside')
  if (host === undefined || other === undefined) return
  shell(`mkdir -p "$W/rootfs/manifests"
    node scripts/small-images.mjs "$W/blobs" ${IMAGES} ${host}/small | blob-put | jq -r '.reference // empty' > "$W/names"
    i=0; while read -r name; do
      printf -- '---\\nkind: Pod\\nspec:\\n  containers:\\n  - image: %s\\n' "$name" >> "$W/rootfs/manifests/$((i++ % ${MANIFESTS})).yaml"
    done < "$W/names"`)
  const skopeo = 'skopeo copy -q --src-tls-verify=false --dest-tls-verify=false'
  compare(
    `${IMAGES} images of ${MANIFESTS} manifests`,
    'rm -rf "$W/store" "$W/rootfs/registry" "$W/inside/docker"',
    [
      {
        name: 'kf-images | img-pull | blob-put',
        command:
          'kf-images "$W/rootfs" | img-pull --no-store - | blob-put "registry-fs:$W/rootfs/registry" > /dev/null',
        targets: [{ to: 'xargs -P8 skopeo copy', most: 0.4 }],
      },
      {
        name: 'xargs -P8 skopeo copy',
        needs: 'skopeo',
        command: `xargs -P8 -I{} sh -c 'r={}; exec ${skopeo} "docker://$r" "docker://${other}/\${r#*/}"' < "$W/names"`,
      },
    ],
  )
}
