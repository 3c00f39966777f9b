#!/usr/bin/env bash
# A Debian tree becomes an image in a registry, a Dockerfile builds on it, and skopeo, podman and untar take the result.
. "$(dirname "$0")/lib.bash"
tree=$(debian)
start_registry

layer-pack --dir "$tree" | manifest-gen --cmd /bin/bash -t debian:12 | blob-put "docker://$registry/debian:12" | tail -n 1

mkdir "$work/context"
cd "$work/context"
echo 'a page' >page.txt
cat >Dockerfile <<DOCKERFILE
FROM $registry/debian:12
ENV GREETING=hello
WORKDIR /srv/app
COPY page.txt ./
RUN rm -rf /usr/share/doc /usr/share/man
RUN useradd -m worker && su worker -c 'date > ~/built' && echo "\$GREETING" > greeting
CMD ["cat", "/srv/app/page.txt", "/srv/app/greeting"]
DOCKERFILE
kf-parse Dockerfile | kf-run --context . | ovl-diff | layer-pack | manifest-gen -t app:1 | blob-put "docker://$registry/app:1" | tail -n 1

skopeo inspect --tls-verify=false "docker://$registry/app:1" | jq -c '{Digest, Architecture, layers: (.Layers | length), Env}'
holds 'skopeo inspects it'

podman="podman --runtime runc --cgroup-manager cgroupfs --root $work/podman --runroot $work/podman-run --storage-driver overlay"
$podman pull -q --tls-verify=false "$registry/app:1" >/dev/null
said=$($podman run --rm --network none --ulimit nofile=1024:1024 --ulimit nproc=1024:1024 "$registry/app:1")
[ "$said" = $'a page\nhello' ] || fails "podman run said: $said"
holds 'podman runs it'

cd "$work"
img-pull "docker://$registry/app:1" | untar ours | tail -n 1
theirs=$($podman image mount "$registry/app:1")
"$shows/compare-trees" ours "$theirs" || fails 'untar and podman differ'
holds "untar's tree is podman's"
$podman image umount "$registry/app:1" >/dev/null
$podman system reset -f >/dev/null 2>&1 || true
