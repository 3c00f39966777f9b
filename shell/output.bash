# Part of kf-build: reads what --output, --push and --load say. Sets `pack`, options of layer-pack, and `end`, the last program of the
# pipe and its arguments.

pack=()

# Each program hands on the records of what it has put.
put() { if (($#)); then blob-put "$1" | put "${@:2}"; else cat; fi; }

# A file appears when it is whole.
save() {
  [[ $1 != - ]] || { "${@:2}"; return; }
  "${@:2}" >"$1.part" && mv -- "$1.part" "$1" || { local is=$?; rm -f -- "$1.part"; return $is; }
}

# The archive of docker load: of no image, or of the image under all of its names.
archive() {
  local more=("${tags[@]:1}")
  blob-put "docker-archive:-${tags:+:$tags}" "${more[@]/#/--additional-tag=}"
}

# An OCI archive, of no image, or of the image under all of its names.
oci_archive() {
  local more=("${tags[@]:1}")
  img-export "${more[@]/#/--additional-tag=}"
}

# The engine gets an archive that is cut where the build fails, and loads nothing of it.
load() {
  local more=("${tags[@]:1}")
  [[ $1 == api ]] || { archive | "$1" load >&2; return; }
  blob-put "docker-daemon:${tags-}" "${more[@]/#/--additional-tag=}" >/dev/null || return
  [[ ! ${tags-} ]] || printf 'Loaded image: %s\n' "${tags[@]}" >&2
}

# An engine whose API can be used is asked for an image that nobody has; it needs no program. Else the first program
# whose engine answers: docker knows the way to more engines, and podman has no server. DOCKER_HOST means Docker alone.
engine() {
  local name names=(docker podman) said
  said=$(img-pull --no-tag --no-store "docker-daemon:sha256:$(printf %064d 0)" 2>&1 >/dev/null) || :
  [[ $said != *'[MANIFEST_UNKNOWN]'* ]] || { echo api; return; }
  [[ ! ${DOCKER_HOST-} ]] || names=(docker)
  for name in "${names[@]}"; do
    ! "$name" version >/dev/null 2>&1 || { echo "$name"; return; }
  done
  echo "kf-build: --load found no engine: ${names[*]/%/ does not answer;} ${said#img-pull: }" >&2
  return 75
}

read_fields() {
  local part parts keys='type|dest|compression|compression-level'
  case $out in
    *=*) IFS=, read -ra parts <<<"$out" ;;
    *,*) wrong "-o $out is not known: a directory with a comma is written type=local,dest=DIR" ;;
    *) parts=(type=local "dest=$out") ;;
  esac
  for part in "${parts[@]}"; do
    [[ $part =~ ^($keys)=(.+)$ ]] || wrong "-o $out is not known: fields are ${keys//|/, }, each with a value"
    field[${BASH_REMATCH[1]}]=${BASH_REMATCH[2]}
  done
}

read_compression() {
  local how=${field[compression]:-gzip} level=${field[compression-level]-}
  [[ ${field[compression]-}$level ]] || return 0
  case ${field[type]}:$how:$level in
    local:* | tar:*) wrong "-o $out: a root filesystem has no layers that are compressed" ;;
    docker:zstd:*) wrong "-o $out: older Docker engines read no zstd; type=oci holds such layers" ;;
    *:uncompressed:) pack=(--compress=none) ;;
    *:gzip:[0-9] | *:zstd:[1-9] | *:zstd:1[0-9] | *:zstd:2[0-2] | *:gzip: | *:zstd:) pack=("--compress=$how${level:+:$level}") ;;
    *) wrong "-o $out: compression is uncompressed, gzip with a level of 0 to 9, or zstd with 1 to 22" ;;
  esac
}

declare -A field=()
read_fields
: "${field[type]:=local}"
read_compression
# An archive is not written to a terminal, so that there -o type=docker means what it means for docker build.
[[ ${field[type]}:${field[dest]-} != docker: || ! -t 1 ]] || field[type]=--load
case ${field[type]}:${field[dest]-} in
  image:) end=(put "${tags[@]/#/store:}") ;;
  registry:) end=(put "${tags[@]/#/docker://}") ;;
  --load:) name=$(engine) || exit; end=(load "$name") ;;
  docker: | docker:-) end=(archive) ;;
  docker:*) end=(save "${field[dest]}" archive) ;;
  oci:?*) end=(save "${field[dest]}" oci_archive) ;;
  tar:?* | local:-) end=(save "${field[dest]}" untar --to-tar) ;;
  local:?*) end=(untar "${field[dest]}") ;;
  *) wrong "-o $out is not known: type is image or registry; with a dest it is local, tar, oci or docker" ;;
esac
