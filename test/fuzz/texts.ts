/**
 * The texts that are mutated.
 *
 * @module
 */

const DIGEST = `sha256:${'0123456789abcdef'.repeat(4)}`
const OCI = 'application/vnd.oci.image'

const layer = { mediaType: `${OCI}.layer.v1.tar+gzip`, digest: DIGEST, size: 5, annotations: { a: 'b' } }
const config = { mediaType: `${OCI}.config.v1+json`, digest: DIGEST, size: 2, data: 'e30=' }
const child = {
  ...layer,
  mediaType: `${OCI}.manifest.v1+json`,
  platform: { os: 'linux', architecture: 'arm', variant: 'v7' },
}

export const MANIFESTS: readonly string[] = [
  { schemaVersion: 2, mediaType: `${OCI}.manifest.v1+json`, config, layers: [layer, layer], annotations: {} },
  { schemaVersion: 2, mediaType: `${OCI}.index.v1+json`, manifests: [child, child] },
  { schemaVersion: 2, mediaType: 'application/vnd.docker.distribution.manifest.v2+json', config, layers: [] },
  { schemaVersion: 1, fsLayers: [{ blobSum: DIGEST }], history: [{ v1Compatibility: '{}' }] },
  layer,
  { auth: 'dXNlcjpwYXNz' },
].map(document => JSON.stringify(document))

export const CONFIGS: readonly string[] = [
  {
    created: '2023-11-14T22:13:20Z',
    architecture: 'amd64',
    os: 'linux',
    config: {
      Env: ['A=b'],
      Cmd: ['sh'],
      Labels: { a: 'b' },
      ExposedPorts: { '80/tcp': {} },
      Healthcheck: { Test: ['NONE'] },
    },
    rootfs: { type: 'layers', diff_ids: [DIGEST] },
    history: [{ created_by: 'RUN x', empty_layer: true }, { created: '2023-11-14T22:13:20Z' }],
  },
].map(document => JSON.stringify(document))

export const REFERENCES: readonly string[] = [
  'debian',
  'docker.io/library/debian:12',
  `localhost:5000/a/b-c__d.e:Tag_1@${DIGEST}`,
  '[2001:db8::1]:443/x/y:z',
  DIGEST.slice(7),
  'linux/arm64/v8',
  'linux(10.0.1)/amd64',
  'bytes 0-99/100',
]

export const CHALLENGES: readonly string[] = [
  'Bearer realm="https://auth.example/token",service="registry.example",scope="repository:a/b:pull,push"',
  'Basic realm="a \\"quoted\\" realm", Bearer realm=x, error="invalid_token"',
  'Negotiate TlRMTVNTUAABAAAA==, NTLM',
]

export const DOCKERFILES: readonly string[] = [
  `# syntax=docker/dockerfile:1
# escape=\\
ARG BASE=debian:12
FROM --platform=linux/amd64 \${BASE} AS base
ENV A=1 B="two words" \\
    C='three'
RUN --mount=type=cache,target=/var/cache,sharing=locked --network=none apt-get update && \\
    # a comment
    apt-get install -y x
RUN ["/bin/sh", "-c", "echo \\u0041"]
COPY --from=base --chown=1:2 --chmod=u+x ["a b", "/c/"]
COPY <<one <<-"two" /dir/
first $A
one
	second
	two
ADD --checksum=sha256:${'0'.repeat(64)} https://example.invalid/x.tar.gz#frag /
ADD git@example.invalid:a/b.git#main:sub /src
HEALTHCHECK --interval=1m30s --retries=3 CMD curl localhost || exit 1
ONBUILD RUN <<EOF
make
EOF
EXPOSE 80/tcp 8000-8010
LABEL a=b "c d"="e\\
f"
VOLUME ["/data"]
USER 1000:1000
WORKDIR /x
STOPSIGNAL SIGTERM
SHELL ["/bin/bash", "-c"]
ENTRYPOINT ["x"]
CMD y z
`,
  'FROM scratch\r\nCOPY ${a:-b}${c#*/}${d//x/y} /\r\n',
  '**/*.go\n!a/[b-c]?\nx{a,b}\n# not\n',
]

export const KUBEFILES: readonly string[] = [
  'FROM kubernetes:v1.27.0\nAPP mysql local://a.yaml\nLAUNCH ["mysql", "redis"]\nCNI calico local://c.sh\nCSI x\nKUBEVERSION v1.2\nLABEL "a"=b\n',
  'FROM kubernetes:v1.19.8\nARG X=1\nCOPY imageList manifests\nRUN echo $X\nCMD ["kubectl apply -f x.yaml"]\n',
]

export const RECORDS: readonly string[] = [
  [
    {
      type: 'layer',
      image: '1',
      mediaType: `${OCI}.layer.v1.tar+gzip`,
      digest: DIGEST,
      size: 5,
      diffID: DIGEST,
      path: '/x',
    },
    { type: 'layer-begin', image: '1' },
    {
      type: 'change',
      op: 'modify',
      path: 'a',
      entry: {
        type: 'file',
        mode: '0644',
        uid: 0,
        gid: 0,
        size: 1,
        mtime: '1.5',
        xattrs: { 'user.a': 'AA==' },
      },
    },
    { type: 'change', op: 'delete', pathRaw: '//4=' },
    { type: 'layer-end', changes: 2, digest: DIGEST },
    { type: 'end', tool: 'x', records: 5, failed: 0 },
  ],
  [
    { type: 'config', image: '1', config: { os: 'linux', architecture: 'amd64' } },
    {
      type: 'manifest',
      image: '1',
      root: true,
      mediaType: `${OCI}.manifest.v1+json`,
      digest: DIGEST,
      size: 5,
      reference: 'a:1',
    },
    { type: 'failed', tool: 'x', code: 'NO', message: 'no', item: {} },
    { type: 'unknown', anything: [] },
    { type: 'end', tool: 'x', records: 4, failed: 1 },
  ],
  [{ type: 'error', tool: 'x', code: 'NO', message: 'no' }],
].map(list => list.map(record => `${JSON.stringify(record)}\n`).join(''))
