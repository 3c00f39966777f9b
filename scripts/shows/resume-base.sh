#!/usr/bin/env bash
# A build that is killed in the middle of a base layer of 400 MB goes on where it broke: both runs together fetch at most
# 1.06 times the layer. Over a fast line the layer comes by one request, over a slow one in parts side by side. Counted by
# a proxy on the way.
. "$(dirname "$0")/lib.bash"
. "$shows/line.bash"

head -c 400000000 /dev/urandom >"$work/big"
tar --create --file "$work/big.tar" --directory "$work" big
rm "$work/big"
size=$(stat -c %s "$work/big.tar")
most=$((size / 100 * 106))
layer-pack --tar "$work/big.tar" --compress none | manifest-gen -t big:1 >"$work/image"
rm "$work/big.tar"
start_registry
blob-put "docker://$registry/big:1" <"$work/image" >/dev/null

build() { PIPELAYER_STORE="$work/built" exec kf-run --quiet <"$work/instructions"; }
broken_build() {
  local what=$1
  shift
  bad_line "$registry" "$@"
  printf 'FROM %s/big:1\nLABEL a=b\n' "$line" >"$work/Dockerfile"
  kf-parse "$work/Dockerfile" >"$work/instructions"
  killed_at down $((size / 2)) build
  (build) >"$work/records"
  grep -q '"type":"config"' "$work/records" || fails "$what: the second run gave no image"
  sleep 0.5
  within "$what: a build killed in the middle of its base and run again" "$(passed down)"
  end_line
  rm -r "$work/built"
}
broken_build 'a fast line'
broken_build 'a slow line' --rate 20000000
