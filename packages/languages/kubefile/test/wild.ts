/**
 * Kubefiles after the shapes that public repositories have: cluster images of sealos, and of sealer in both its
 * dialects. `line` is the line that shows the dialect.
 */
import type { Dialect } from '../src/index.js'

export interface WildFile {
  readonly name: string
  readonly text: string
  readonly dialect: Dialect
  readonly line?: number
  readonly reason: RegExp
}

const HELM = 'helm upgrade -i $(NAME) $(CHARTS) -n $(NAMESPACE) --create-namespace $(HELM_OPTS)'

type Row = readonly [name: string, text: string, line: number | undefined, reason: RegExp]

const SEALOS: readonly Row[] = [
  [
    'chart-and-registry',
    'FROM scratch\nCOPY charts charts\nCOPY registry registry\nCMD ["helm install web charts/web"]',
    4,
    /JSON array of CMD/,
  ],
  ['all-of-it', 'FROM scratch\nCOPY . .\nCMD ["bash entrypoint.sh"]', 3, /JSON array/],
  [
    'dotted-destination',
    'FROM scratch\nCOPY registry ./registry\n# the images are all there is',
    2,
    /COPY registry \.\/registry/,
  ],
  ['no-cmd', 'FROM scratch\nCOPY manifests/ ./manifests/\n', 2, /keeps the name/],
  [
    'script',
    'FROM scratch\nCOPY setup.sh setup.sh\nCOPY opt opt\nCMD bash setup.sh',
    2,
    /COPY setup\.sh setup\.sh/,
  ],
  [
    'defaults',
    `FROM scratch\n\nENV NAME=\${NAME:-"web"}\nENV NAMESPACE=\${NAMESPACE:-"web"}\nENV CHARTS="./charts/web"\nENV HELM_OPTS=\${HELM_OPTS:-" \\\n--set service.type=NodePort \\\n"}\n\nCOPY charts charts\nCOPY registry registry\nCMD ["${HELM}"]`,
    3,
    /ENV is read as in a Dockerfile/,
  ],
  [
    'empty-options',
    `FROM scratch\nENV HELM_OPTS=\${HELM_OPTS:-""}\nCOPY . .\n\nCMD ["cp -f opt/tool /usr/local/bin/","${HELM}"]`,
    2,
    /ENV/,
  ],
  [
    'old-env',
    'FROM scratch\n\nENV address apiserver.cluster.local\n\nCOPY manifests manifests\nCMD ["bash entrypoint.sh"]',
    3,
    /ENV/,
  ],
  [
    'patch',
    'FROM scratch\nLABEL sealos.io.type="patch"\nCOPY opt opt\nCMD ["cp -f opt/tool /usr/local/bin/tool && chmod +x /usr/local/bin/tool"]',
    2,
    /label sealos\.io\.type/,
  ],
  [
    'patch-shell',
    'FROM scratch\nLABEL sealos.io.type="patch"\nCOPY . .\nCMD cp -f ./opt/a /usr/bin/a \\\n    && mkdir -p /root/b \\\n    && cp -rf ./opt/b /root/b',
    2,
    /sealos\.io\.type/,
  ],
  [
    'rootfs',
    'FROM scratch\nMAINTAINER sealos\nLABEL init="init-cri.sh $registryDomain $registryPort && bash init.sh" \\\n      clean="clean.sh && bash clean-cri.sh $criData" \\\n      check="check.sh $registryData" \\\n      init-registry="init-registry.sh $registryData $registryConfig" \\\n      sealos.io.type="rootfs" \\\n      sealos.io.version="v1beta1" \\\n      version="v1.27.7" \\\n      image="ghcr.io/example/lvscare:v4" \\\n      vip="\\$defaultVIP"\nENV criData=/var/lib/containerd \\\n    registryPort=5000 \\\n    defaultVIP=10.103.97.2\nCOPY . .',
    3,
    /sealos\.io\.type/,
  ],
  [
    'rootfs-of-parts',
    'FROM scratch\nLABEL init="init.sh"\nLABEL clean="clean.sh"\nCOPY . .',
    2,
    /label init/,
  ],
  [
    'merge-label',
    'FROM scratch\nLABEL image="ghcr.io/example/lvscare:v4" \\\n      merge.sealos.io.type.tool="4.3"\nCOPY . .',
    2,
    /merge\.sealos\.io\.type\.tool/,
  ],
  ['spaced-label', 'FROM scratch\nLABEL sealos.io.type application\nCOPY . .', 2, /sealos\.io\.type/],
  [
    'newer-label',
    'FROM scratch\nLABEL "apps.sealos.io/type"="application"\nCOPY . .',
    2,
    /apps\.sealos\.io\/type/,
  ],
  ['maintainer', 'FROM scratch\nMAINTAINER labring\nCOPY . .', 2, /the maintainer is labring/],
  [
    'two-commands',
    'FROM scratch\nCOPY . .\nCMD ["kubectl create -f manifests/crd.yaml","helm upgrade --install op charts/op --namespace=op --create-namespace"]',
    3,
    /JSON array/,
  ],
  [
    'many-commands',
    'FROM scratch\nCOPY . .\nCMD ["kubectl apply -f manifests/crds/",\\\n "kubectl apply -f manifests/deploy/",\\\n "kubectl apply -f manifests/example/cluster.yaml"]',
    3,
    /JSON array/,
  ],
  [
    'or-true',
    'FROM scratch\nCOPY . .\nCMD ["kubectl create -f manifests/all.yaml || true"]',
    3,
    /JSON array/,
  ],
  [
    'pipes',
    `FROM scratch\nCOPY . .\nCMD ["kubectl get cm kube-proxy -n kube-system -o yaml | sed -e 's/a: false/a: true/' | kubectl apply -f - -n kube-system","helm install lb charts/lb"]`,
    3,
    /JSON array/,
  ],
  [
    'kubeconfig',
    'FROM scratch\nCOPY manifests manifests\nCMD ["KUBECONFIG=/etc/kubernetes/admin.conf kubectl apply -f manifests/router.yaml"]',
    3,
    /JSON array/,
  ],
  [
    'named-folder',
    'FROM scratch\nCOPY . suite\nCOPY registry ./registry\nCMD ["rm -rf suite/registry && helm install suite suite --set global.storageClass=local"]',
    4,
    /JSON array/,
  ],
  [
    'entrypoint',
    'FROM scratch\nENV version v1.1.0\nCOPY manifests ./manifests\nENTRYPOINT ["kubectl apply -f manifests/operator.yaml"]\nCMD ["kubectl apply -f manifests/resources.yaml"]',
    4,
    /ENTRYPOINT is a word of Dockerfiles/,
  ],
  ['user', 'FROM scratch\nUSER root\nCOPY . .\nCMD ["bash install.sh"]', 2, /USER/],
  [
    'workdir',
    'FROM scratch\nWORKDIR /app\nCOPY charts charts\nCMD ["helm install a charts/a"]',
    2,
    /WORKDIR/,
  ],
  ['expose', 'FROM scratch\nEXPOSE 5000\nCOPY . .', 2, /EXPOSE/],
  ['volume', 'FROM scratch\nCOPY . .\nVOLUME /var/lib/registry', 3, /VOLUME/],
  ['shell', 'FROM labring/tools:1\nSHELL ["/bin/bash", "-c"]\nRUN echo', 2, /SHELL/],
  ['stopsignal', 'FROM scratch\nSTOPSIGNAL SIGTERM\nCOPY . .', 2, /STOPSIGNAL/],
  ['healthcheck', 'FROM scratch\nHEALTHCHECK NONE\nCOPY . .', 2, /HEALTHCHECK/],
  ['onbuild', 'FROM scratch\nONBUILD COPY . .', 2, /ONBUILD/],
  [
    'base-of-sealos',
    'FROM docker.io/labring/kubernetes:v1.25.0\nCOPY etc etc\nCMD kubectl get nodes',
    1,
    /base is one of sealos/,
  ],
  ['base-of-its-actions', 'FROM ghcr.io/labring-actions/cache:1-amd64\nCOPY . .', 1, /base is one of sealos/],
  [
    'stages',
    'FROM alpine:3.18 AS fetch\nRUN wget -O /tool https://example.com/tool\nFROM scratch\nCOPY --from=fetch /tool opt/tool\nCOPY . .\nCMD ["cp opt/tool /usr/bin"]',
    1,
    /name of a stage/,
  ],
  ['unnamed-stages', 'FROM alpine:3.18\nRUN echo > /x\nFROM scratch\nCOPY . .', 3, /a second FROM/],
  ['copy-from-image', 'FROM scratch\nCOPY --from=ghcr.io/example/tools:1 . .\nCOPY . .', 2, /flag --from/],
  ['platform', 'FROM --platform=linux/arm64 scratch\nCOPY . .', 1, /flag --platform/],
  [
    'argument-first',
    'ARG BASE=scratch\nFROM $BASE\nCOPY charts charts\nCMD ["helm install a charts/a"]',
    4,
    /JSON array/,
  ],
  [
    'argument-in-label',
    'FROM scratch\nARG VERSION=v1\nLABEL version=$VERSION sealos.io.version=v1beta1\nCOPY . .',
    3,
    /sealos\.io\.version/,
  ],
  ['add', 'FROM scratch\nADD https://example.com/a.tgz opt/\nCOPY . .', 2, /ADD/],
  ['heredoc', 'FROM scratch\nCOPY <<EOF /etc/values.yaml\nUSER: x\nLAUNCH: y\nEOF\nCOPY . .', 2, /a heredoc/],
  ['run-heredoc', 'FROM alpine:3\nRUN <<E\nset -e\napk add helm\nE\nCOPY . .', 2, /a heredoc/],
  ['windows-lines', 'FROM scratch\r\nCOPY . .\r\nCMD ["kubectl apply -f manifests"]\r\n', 3, /JSON array/],
  ['lower-case', 'from scratch\ncopy . .\nentrypoint ["bash init.sh"]', 3, /ENTRYPOINT/],
  [
    'directive',
    '# syntax=docker/dockerfile:1\nFROM scratch\nCOPY --chmod=755 opt opt\nCMD ["cp opt/a /usr/bin"]',
    3,
    /flag --chmod=755/,
  ],
]

const CLASSIC: readonly Row[] = [
  [
    'manifest',
    'FROM kubernetes:v1.19.8\nCOPY board.yaml .\nCMD kubectl apply -f board.yaml',
    1,
    /base kubernetes:v1\.19\.8/,
  ],
  [
    'commented-out',
    'FROM kubernetes:v1.19.8-alpine\nCOPY etc .\nCOPY imageList manifests\n#RUN wget https://example.com/a.yaml\nCMD kubectl apply -f etc/a.yaml\nCMD kubectl apply -f etc/b.yaml',
    1,
    /base/,
  ],
  [
    'base-of-sealer',
    'FROM registry.cn-qingdao.aliyuncs.com/sealer-apps/helm:v3.6.0\nCOPY charts charts\nCMD helm install a charts/charts/a',
    1,
    /sealer-apps/,
  ],
  ['base-rootfs', 'FROM scratch\nCOPY . .', undefined, /nothing but FROM, COPY/],
  [
    'run',
    'FROM scratch\nRUN mkdir zoo\nCOPY manifest.yaml zoo\nCMD kubectl apply -f zoo/manifest.yaml',
    undefined,
    /nothing but/,
  ],
  [
    'several-commands',
    'FROM store:2\nCOPY crds.yaml .\nCMD kubectl create ns a\nCMD kubectl create -f crds.yaml',
    4,
    /a second CMD/,
  ],
  [
    'arguments',
    'FROM store:2\nARG Version=4.0.0,Name=a\nCOPY mongo manifests\nCMD kubectl apply -f mongo-${Version}.yaml',
    undefined,
    /nothing but/,
  ],
  ['shell-text', 'FROM store:2\nRUN cat <<EOF > x\nCMD [ -f x ] && echo', undefined, /nothing but/],
]

const NEWER: readonly Row[] = [
  ['launch', 'FROM scratch\nAPP web local://web.yaml\nLAUNCH ["web"]', 2, /APP is a word of sealer 0\.9/],
  [
    'cmds',
    'FROM docker.io/sealerio/kubernetes:v1-22-15\nCOPY a.tgz .\nCMDS ["helm install a.tgz", "bash install.sh"]',
    3,
    /CMDS/,
  ],
  ['arch', 'FROM scratch\nCOPY ${ARCH}/bin bin\nAPP web local://a.yaml\nLAUNCH web', 3, /APP/],
  [
    'plugins',
    'FROM scratch\nCNI calico local://calico.sh\nCSI alibaba local://csi.yaml\nKUBEVERSION >=1.19',
    2,
    /CNI/,
  ],
  [
    'env-and-labels',
    'FROM scratch\nENV A=1\nLABEL cluster.alpha.sealer.io/kube-cni-x="true"\nCOPY . .',
    3,
    /kube-cni-x/,
  ],
  [
    'array-on-sealer',
    'FROM registry.cn-qingdao.aliyuncs.com/sealer-apps/openebs:2.11.0\nCOPY . manifests\nCMD ["kubectl apply -f manifests/a.yaml", "kubectl apply -f manifests/b.yaml"]',
    1,
    /in line 3: the JSON array/,
  ],
  [
    'several-arrays',
    'FROM store:2\nCOPY . manifests/\nCMD ["kubectl apply -f manifests/a.yaml"]\nCMD kubectl apply -f manifests/b.yaml',
    4,
    /a second CMD.*in line 3/,
  ],
  ['app-env', 'FROM base:1\nAPPENV web A=1\nAPPCMDS web ["a"]', 2, /APPENV/],
]

function rows(dialect: Dialect, list: readonly Row[]): readonly WildFile[] {
  return list.map(([name, text, line, reason]) => ({
    name,
    text,
    dialect,
    reason,
    ...(line === undefined ? {} : { line }),
  }))
}

export const WILD: readonly WildFile[] = [
  ...rows('sealos', SEALOS),
  ...rows('kubefile-classic', CLASSIC),
  ...rows('kubefile', NEWER),
]
