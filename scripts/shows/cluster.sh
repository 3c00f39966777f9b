#!/usr/bin/env bash
# Cluster images: the Kubefiles of the project's first documents build, from a base image that is one itself; the tree, the
# steps, the document and the registry inside are what sealer makes; docker-registry serves it and skopeo takes every image out.
# Then 60 manifests with 300 references to images that share layers: each blob is asked for once.
. "$(dirname "$0")/lib.bash"
cd "$work"
command -v docker-registry skopeo >/dev/null || fails 'docker-registry and skopeo are needed'

# Images of the references on stdin, put to the place $1, or to $1 and their path: a busybox that all share, and one of 20
# small layers.
make_images() {
  local i=0 own reference
  rm -rf own
  "$root/examples/hello/make-rootfs" tree >/dev/null
  layer-pack --dir tree >shared.ndjson
  while read -r reference; do
    own=$((i++ % 20))
    if [ ! -e "own/$own.ndjson" ]; then
      mkdir -p "own/$own"
      echo "$own" >"own/$own/name"
      layer-pack --dir "own/$own" >"own/$own.ndjson"
    fi
    cat shared.ndjson "own/$own.ndjson" | jq -c 'select(.type != "end") | .image = "1"' |
      manifest-gen --no-end --cmd sh --label "name=$reference" -t "$reference" | blob-put "$1" >/dev/null
  done
}

serve_hub() { # sets $hub; it ends with this script, or with stop_hub
  coproc HUB { exec registry-serve --listen 127.0.0.1:0 --read-only --until-eof hub 2>/dev/null; }
  hub_pid=$HUB_PID
  read -r line <&"${HUB[0]}"
  hub=$(jq -r .address <<<"$line")
  : >registries.conf
  for domain in docker.io quay.io registry.cn-qingdao.aliyuncs.com registry.example; do
    printf '[[registry]]\nlocation = "%s"\n[[registry.mirror]]\nlocation = "%s"\n' "$domain" "$hub" >>registries.conf
  done
  export CONTAINERS_REGISTRIES_CONF="$work/registries.conf"
}

stop_hub() {
  kill "$hub_pid"
  wait "$hub_pid" || true
}

build() { # build CONTEXT NAME
  (cd "$1" && kf-parse Kubefile | kf-run --quiet --context . --platform linux/amd64 | ovl-diff | layer-pack |
    manifest-gen -t "$2" | blob-put "store:$2") >/dev/null
}

steps() { cluster-image history "$1" | jq -r 'select(.type == "layer") | "\(.createdBy)\(if .empty then "" else " *" end)"'; }

# --- the seeds' Kubefiles -------------------------------------------------------------------------------------------------
make_images oci:hub <<IMAGES
docker.io/library/busybox:latest
docker.io/kubernetesui/dashboard:v2.2.0
docker.io/kubernetesui/metrics-scraper:v1.0.6
docker.io/library/traefik:2.4.8
quay.io/base/operator:1
IMAGES
mkdir -p base/{bin,etc,manifests} app/{traefik/templates,test,mongo}
printf '#!/bin/sh\necho conntrack\n' >base/bin/conntrack
chmod 755 base/bin/conntrack
echo '{"version": "v1.19.8", "arch": "amd64"}' >base/Metadata
printf 'apiVersion: sealer.cloud/v2\nkind: Cluster\nmetadata:\n  name: my-cluster\nspec:\n  ssh:\n    passwd: Sealer123\n' >base/etc/Clusterfile
echo 'quay.io/base/operator:1' >base/manifests/imageList
printf 'FROM scratch\nCOPY . .\n' >base/Kubefile
serve_hub
build base registry.cn-qingdao.aliyuncs.com/sealer-io/kubernetes:v1.19.8
img-pull store:registry.cn-qingdao.aliyuncs.com/sealer-io/kubernetes:v1.19.8 |
  blob-put oci:hub:registry.cn-qingdao.aliyuncs.com/sealer-io/kubernetes:v1.19.8 >/dev/null
rm -rf "$PIPELAYER_STORE"

echo busybox >app/imageList
tar -cf app/mysql.tar app/imageList
printf 'name: traefik\nversion: 1.0.0\nappVersion: 2.4.8\n' >app/traefik/Chart.yaml
printf 'image:\n  repository: traefik\n  tag: ""\n' >app/traefik/values.yaml
printf 'containers:\n- image: {{ .Values.image.repository }}:{{ .Chart.AppVersion }}\n' >app/traefik/templates/pod.yaml
printf 'kind: Plugin\n' >app/shell.yaml
printf 'spec:\n  containers:\n  - image: kubernetesui/dashboard:v2.2.0\n  - image: kubernetesui/metrics-scraper:v1.0.6\n' >app/recommended.yaml
cp app/recommended.yaml app/test/a.yaml
cat >app/Kubefile <<'KUBEFILE'
FROM kubernetes:v1.19.8
ARG Version=4.0.0 
RUN echo ${Version}
COPY mysql.tar images
COPY imageList manifests
COPY traefik charts
COPY shell.yaml plugin
COPY recommended.yaml manifests
CMD kubectl apply -f manifests/recommended.yaml
CMD helm install mytest charts/traefik
KUBEFILE
build app my-dashboard:v1
diff -u - <(steps my-dashboard:v1) <<'STEPS' || fails 'the steps of the seeds'
COPY . . *
BASE rootfs cache *
RUN echo ${Version}
COPY mysql.tar images *
COPY imageList manifests *
COPY traefik charts *
COPY shell.yaml plugin *
COPY recommended.yaml manifests *
CMD kubectl apply -f manifests/recommended.yaml
CMD helm install mytest charts/traefik
BASE rootfs cache *
STEPS
holds 'types and values of the steps, in order; steps without a layer have no id'
document=$(cluster-image inspect my-dashboard:v1 --format json)
jq -e '.kind == "Image" and .metadata.name == "my-dashboard:v1" and .spec.image_config.args == {"Version": "4.0.0"} and
  .spec.platform == {"architecture": "amd64", "os": "linux"} and (.spec.id | test("^[0-9a-f]{64}$")) and
  (.metadata.annotations["sea.aliyun.com/ClusterFile"] | contains("passwd: Sealer123") and contains("image: my-dashboard:v1"))' \
  >/dev/null <<<"$document" || fails "the document: $document"
holds 'kind: Image, with arguments, platform and the Clusterfile of the base'

img-pull store:my-dashboard:v1 | untar rootfs >/dev/null
diff -u - <(cd rootfs && find . -path ./registry -prune -o -type f -print | LC_ALL=C sort) <<'TREE' || fails 'the tree'
./Kubefile
./Metadata
./bin/conntrack
./charts/traefik/Chart.yaml
./charts/traefik/templates/pod.yaml
./charts/traefik/values.yaml
./etc/Clusterfile
./images/mysql.tar
./manifests/imageList
./manifests/recommended.yaml
./plugin/shell.yaml
TREE
holds 'the root filesystem: a destination is always a folder, a folder keeps its name'

mkdir registry
cp -a rootfs/registry/. registry/
start_registry
for image in library/busybox:latest kubernetesui/dashboard:v2.2.0 kubernetesui/metrics-scraper:v1.0.6 library/traefik:2.4.8 base/operator:1; do
  skopeo copy -q --src-tls-verify=false "docker://$registry/$image" "oci:taken:${image//[^a-z0-9.]/-}" || fails "skopeo takes $image"
done
holds 'docker-registry serves the registry inside, skopeo takes out every image: of the list, the manifest, the chart and the base'

cat >app/mongo.kubefile <<'KUBEFILE'
FROM kubernetes:v1.19.8
ARG Version=4.0.0 
COPY mongo manifests
COPY test/*.yaml manifests
RUN echo ${Version} > version
CMD kubectl apply -f mongo-${Version}.yaml 
KUBEFILE
echo 'image: busybox' >app/mongo/mongo-4.0.0.yaml
cp app/mongo.kubefile app/Kubefile
build app mongo:v1
img-pull store:mongo:v1 | untar mongo >/dev/null
[ "$(cat mongo/version)" = 4.0.0 ] && [ -f mongo/manifests/mongo/mongo-4.0.0.yaml ] && [ -f mongo/manifests/a.yaml ] || fails 'the second Kubefile'
holds 'ARG in RUN, a folder and a wildcard in COPY'

yaml=$(cluster-image inspect my-dashboard:v1 --format yaml)
cluster-image save my-dashboard:v1 -o my.tar >/dev/null
cluster-image load my.tar --store other >/dev/null
[ "$(cluster-image inspect my-dashboard:v1 --store other --format yaml)" = "$yaml" ] || fails 'save and load'
img-pull store:my-dashboard:v1 | blob-put "docker://$registry/x/y:1" >/dev/null
img-pull --store third "$registry/x/y:1" >/dev/null
[ "$(cluster-image inspect "$registry/x/y:1" --store third --format yaml)" = "$yaml" ] || fails 'push and pull'
holds 'saved and loaded, pushed and pulled: the same document with the same id'
stop_hub

# --- many references ------------------------------------------------------------------------------------------------------
node "$root/scripts/small-images.mjs" "$work/blobs" 300 "$registry/small" | blob-put | jq -r '.reference // empty' >names
mkdir -p many/manifests
i=0
while read -r name; do
  printf -- '---\nkind: Pod\nspec:\n  containers:\n  - image: %s\n' "$name" >>"many/manifests/$((i++ % 60)).yaml"
done <names

# Prints the digest of each request for a blob in the registry's log, from the line after $1 on.
asked() {
  tail -n "+$(($1 + 1))" registry.log | jq -rR 'fromjson? | select(.msg == "response completed" and ."http.request.method" == "GET")."http.request.uri"' |
    grep -o 'blobs/sha256:[0-9a-f]*' | cut -d / -f 2 | sort
}
log_end() { wc -l <registry.log; }

rm -rf "$PIPELAYER_STORE"
start=$(log_end)
kf-images many | tee references | img-pull - | tee pulled | blob-put "registry-fs:$work/many/registry" >/dev/null
[ "$(grep -c '"type":"reference"' references)" = 300 ] || fails 'the number of references'
[ "$(find many/registry -path '*_manifests/tags/*/current/link' | wc -l)" = 300 ] || fails 'the number of images'
jq -r 'select(.digest and .type != "manifest").digest' pulled | sort -u >wanted
diff -q wanted <(asked "$start") >/dev/null || fails "each blob once: $(diff wanted <(asked "$start") | head -n 3)"
holds "300 references: $(wc -l <wanted) layers and configs, each fetched once"

start=$(log_end)
img-pull - --no-store <references | blob-put "registry-fs:$work/again/registry" >/dev/null
jq -r 'select(.type == "layer").digest' pulled | sort -u >layers
diff -q layers <(asked "$start" | grep -F -f layers) >/dev/null || fails "layers without a store: $(diff layers <(asked "$start" | grep -F -f layers) | head -n 3)"
holds "the same with no store between: $(wc -l <layers) layers, each fetched once"
