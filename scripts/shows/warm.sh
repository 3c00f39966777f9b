#!/usr/bin/env bash
# A warm build of 30 steps on a Debian starts no container, mounts nothing, and opens no file of the context twice; with
# a shared cache the same holds on a machine that never built it.
. "$(dirname "$0")/lib.bash"
tree=$(debian)
mkdir -p "$work/context/src"
for number in $(seq 200); do echo "$number" >"$work/context/src/$number"; done
layer-pack --dir "$tree" | manifest-gen --cmd sh -t base:1 | blob-put store:base:1 >"$work/base"
{
  echo 'FROM base:1 AS build'
  for number in $(seq 10); do echo "RUN echo $number > /made$number"; done
  echo 'COPY src /src'
  echo 'FROM base:1'
  for number in $(seq 10); do echo "COPY src/$number src/2* /opt/$number/"; done
  for number in $(seq 7); do echo "RUN cp /etc/hostname /copy$number"; done
  echo 'COPY --from=build /made1 /made'
  echo 'COPY . /all'
} >"$work/context/Dockerfile"

digest() { sed -n 's/.*"type":"manifest".*"digest":"\(sha256:[0-9a-f]*\)".*"root":true.*/\1/p' "$1"; }
build() { kf-build -t app:1 "$@" "$work/context"; }
# Runs a build under strace, with runtimes that cannot run.
watched() {
  mkdir -p "$work/stubs"
  for runtime in runc crun; do printf '#!/bin/sh\necho %s >>"%s"\nexit 1\n' "$runtime" "$work/started" >"$work/stubs/$runtime"; done
  chmod +x "$work"/stubs/*
  PATH="$work/stubs:$PATH" strace -f -qq -s 300 -e trace=mount,umount2,openat,execve -o "$work/calls" \
    kf-build -t app:1 "$@" "$work/context" >"$work/warm" 2>"$work/warm.err" || { cat "$work/warm.err" >&2; fails 'the warm build'; }
  [ ! -e "$work/started" ] || fails "a runtime was started: $(cat "$work/started")"
  ! grep -q 'unshare' "$work/calls" || fails 'namespaces were made'
  holds 'no container is started'
  ! grep -qE '\b(mount|umount2)\(' "$work/calls" || fails "mounts: $(grep -cE '\b(mount|umount2)\(' "$work/calls")"
  holds 'nothing is mounted'
  # Files are opened relative to a descriptor, so the trace shows only the last part of a path, which is unique here.
  twice=$(grep -oE '/proc/self/fd/[0-9]+/(src/)?[0-9]+", O_RDONLY\|O_NOFOLLOW' "$work/calls" | sed 's|.*/\([0-9]*\)".*|\1|' | sort | uniq -d) || true # none: what is remembered of them suffices
  opened=$(grep -cE '/proc/self/fd/[0-9]+/(src/)?[0-9]+", O_RDONLY\|O_NOFOLLOW' "$work/calls") || true
  [ -z "$twice" ] || fails "opened twice: $twice"
  [ "$opened" -le 200 ] || fails "$opened files of the context were opened, there are 200"
  holds "no file of the context is opened twice ($opened of 200 are opened)"
}

build --cache-to "oci:$work/cache:app" >"$work/cold" 2>"$work/cold.err" || { cat "$work/cold.err" >&2; fails 'the cold build'; }
watched
[ "$(digest "$work/warm")" = "$(digest "$work/cold")" ] || fails 'the warm build gave another image'
holds "the warm build gives $(digest "$work/cold")"

# A store that has only the base stands for another machine.
export PIPELAYER_STORE="$work/other"
img-pull "oci:$work/store:docker.io/library/base:1" | blob-put store:base:1 >"$work/base"
watched --cache-from "oci:$work/cache:app"
[ "$(digest "$work/warm")" = "$(digest "$work/cold")" ] || fails 'the other machine made another image'
[ ! -e "$work/other/steps" ] || fails 'the other machine has steps of its own'
holds 'on another machine the shared cache gives the same image'
