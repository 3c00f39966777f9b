# Shared by the shows: a working folder that is removed at the end, a registry, a Debian, and functions for checks.
# Sourced by scripts/shows/*.sh.
set -euo pipefail
shows=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$shows/../.." && pwd)
export PATH="$root/bin:$PATH:/usr/sbin:/sbin"
unset NODE_EXTRA_CA_CERTS SOURCE_DATE_EPOCH
work=$(mktemp -d "${TMPDIR:-/tmp}/pipelayer-show-XXXXXX")
export PIPELAYER_STORE="$work/store"
registry_pid=

clean_up() {
  [ -z "$registry_pid" ] || kill "$registry_pid" 2>/dev/null || true
  # A failed show may leave mounts of an engine; they are unmounted first, and deleting crosses no mount.
  awk -v work="$work/" 'index($2, work) == 1 {print $2}' /proc/self/mounts | sort -r | xargs -r umount
  rm -rf --one-file-system "$work"
}
trap clean_up EXIT

holds() { echo "holds: $*"; }
fails() {
  echo "DOES NOT HOLD: $*" >&2
  exit 1
}

# The folder of a debootstrapped Debian, made once and kept.
debian() {
  local cache=${PIPELAYER_TEST_CACHE:-/var/cache/pipelayer-test}
  if [ ! -e "$cache/bookworm" ]; then
    mkdir -p "$cache"
    debootstrap --variant=minbase bookworm "$cache/bookworm.making" >&2
    rm -rf "$cache/bookworm.making/var/cache/apt/archives"
    mv "$cache/bookworm.making" "$cache/bookworm"
  fi
  echo "$cache/bookworm"
}

# Starts a registry; sets $registry to its 127.0.0.1:PORT.
start_registry() {
  cat >"$work/registry.yml" <<YAML
version: 0.1
log: {level: info, formatter: json}
storage: {filesystem: {rootdirectory: $work/registry}}
http: {addr: "127.0.0.1:0", secret: show}
YAML
  docker-registry serve "$work/registry.yml" >/dev/null 2>"$work/registry.log" &
  registry_pid=$!
  until registry=$(grep -om1 'listening on 127.0.0.1:[0-9]*' "$work/registry.log"); do sleep 0.1; done
  registry=${registry#listening on }
}
