#!/usr/bin/env bash
# The same build twice: other mtimes, other directory order, 1 and 4 workers, empty stores. One manifest digest.
. "$(dirname "$0")/lib.bash"
export SOURCE_DATE_EPOCH=1600000000
tree=$(debian)
layer-pack --dir "$tree" | manifest-gen --cmd /bin/bash -t debian:12 | blob-put "oci:$work/base:1" >/dev/null

# context DIR ORDER DATE: 300 files, made in one order or the other.
context() {
  mkdir -p "$1/files"
  for n in $(seq 1 300 | sort "$2" -n); do head -c 20000 /dev/zero | tr '\0' "$((n % 10))" >"$1/files/$n"; done
  cat >"$1/Dockerfile" <<DOCKERFILE
FROM oci:$work/base:1
COPY files/ /srv/files/
RUN rm -rf /usr/share/doc && for n in c a b; do echo \$n > /srv/\$n; done
RUN chown -R daemon /srv/files && ln /srv/a /srv/hard
CMD ["ls", "/srv"]
DOCKERFILE
  find "$1" -exec touch -h -d "$3" {} +
}
context "$work/one" -s '2021-01-01 10:00'
context "$work/two" -r '2024-05-05 05:05'

build() {
  PIPELAYER_STORE="$work/store-$1" kf-parse "$work/$1/Dockerfile" |
    PIPELAYER_STORE="$work/store-$1" kf-run --context "$work/$1" |
    ovl-diff | PIPELAYER_STORE="$work/store-$1" layer-pack --workers "$2" |
    PIPELAYER_STORE="$work/store-$1" manifest-gen -t app:1 |
    PIPELAYER_STORE="$work/store-$1" blob-put "oci:$work/out-$1:1" | jq -r 'select(.type == "manifest").digest'
}
first=$(build one 1)
second=$(build two 4)
[ -n "$first" ] && [ "$first" = "$second" ] || fails "digests $first and $second"
holds "both builds gave $first"
