#!/usr/bin/env bash
# Peak memory of layer-pack and untar on a tree with a 4 GiB file and on one with 200,000 files: under 200 MB.
. "$(dirname "$0")/lib.bash"
limit=$((200 * 1000))

# peak NAME COMMAND...: runs it and prints its peak resident set in kilobytes.
peak() {
  local name=$1
  shift
  /usr/bin/time -o "$work/$name.time" -f '%M' "$@"
  local used
  used=$(tail -n 1 "$work/$name.time")
  [ "$used" -lt "$limit" ] || fails "$name used $used kB, at most $limit"
  holds "$name: $((used / 1000)) MB" >&2
}

mkdir "$work/big"
# Half of the file compresses, half does not.
{ head -c 2G /dev/zero; head -c 2G /dev/urandom; } >"$work/big/file"
peak pack-4GiB layer-pack --dir "$work/big" >"$work/layer"
rm -r "$work/big"
manifest-gen -t big:1 <"$work/layer" >"$work/image"
peak unpack-4GiB untar "$work/out" <"$work/image" >/dev/null
rm -rf "$work/out" "$PIPELAYER_STORE"

mkdir "$work/many"
node -e '
  const fs = require("fs")
  for (let folder = 0; folder < 2000; folder++) {
    fs.mkdirSync(`${process.argv[1]}/${folder}`)
    for (let file = 0; file < 100; file++) fs.writeFileSync(`${process.argv[1]}/${folder}/file-${file}`, `${file}`)
  }' "$work/many"
peak pack-200k layer-pack --dir "$work/many" >"$work/layer"
manifest-gen -t many:1 <"$work/layer" >"$work/image"
peak unpack-200k untar "$work/out" <"$work/image" >/dev/null
[ "$(find "$work/out" -type f | wc -l)" = 200000 ] || fails 'files are missing'
