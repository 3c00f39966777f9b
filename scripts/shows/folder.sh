#!/usr/bin/env bash
# Images in the folder of a registry are moved as files into another one, which the real docker-registry then serves:
# 5,000 of them, or as many as the argument says. No server runs while they move; no process grows with their number.
. "$(dirname "$0")/lib.bash"
count=${1:-5000}
limit=$((150 * 1000))

# peak NAME COMMAND...: runs the command, and fails if it used more memory than allowed.
peak() {
  local name=$1
  shift
  /usr/bin/time -o "$work/$name.time" -f '%M' "$@"
  local used
  used=$(tail -n 1 "$work/$name.time")
  [ "$used" -lt "$limit" ] || fails "$name used $used kB, at most $limit"
  holds "$name: $((used / 1000)) MB" >&2
}

node "$root/scripts/small-images.mjs" "$work/blobs" "$count" localhost/small >"$work/images"
blob-put "registry-fs:$work/first" <"$work/images" >/dev/null
for ((at = 0; at < count; at++)); do echo "registry-fs:$work/first:small/n$at:1"; done >"$work/references"
rm -r "$work/blobs"

started=$(date +%s)
peak img-pull img-pull --no-store - <"$work/references" | peak blob-put blob-put "registry-fs:$work/registry" >"$work/moved"
holds "$count images moved in $(($(date +%s) - started)) s"
roots=$(jq -c 'select(.root)' "$work/moved" | wc -l)
[ "$roots" = "$count" ] || fails "$roots of $count images were moved"

start_registry
listed=$(registry-ls --tags "$registry" | jq -r '.reference // empty' | tee "$work/served" | wc -l)
[ "$listed" = "$count" ] || fails "docker-registry lists $listed of $count images"
digests() { jq -r 'select(.root) | [.digest, (.reference | sub("^.*/"; ""))] | @tsv' | sort; }
img-pull --no-store - <"$work/served" | digests >"$work/served.digests"
digests <"$work/images" | cmp - "$work/served.digests" || fails 'docker-registry serves other images'
holds "docker-registry serves the same $count manifests"

for at in 0 $((count / 2)) $((count - 1)); do
  skopeo copy -q --src-tls-verify=false "docker://$registry/small/n$at:1" "oci:$work/skopeo:$at"
done
holds 'skopeo pulls images of it'
