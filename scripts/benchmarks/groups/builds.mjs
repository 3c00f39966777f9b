// Builds of a two-stage Dockerfile on a Debian: it copies 12,000 files and runs four commands. With an empty cache, with
// a full one, with its last COPY changed, and pushed. Of Docker only the client's CPU time is seen, not the engine's.
import fs from 'node:fs'
import path from 'node:path'
import { compare, onExit, options, serve, shell, work } from '../harness.mjs'
import { startRegistry } from '../registry.mjs'
import { manyFiles, plainDebian } from '../trees.mjs'

const FILES = options.isSmall ? 120 : 12_000
const FILE_BYTES = 2000

/** The last instruction of the Dockerfile contains `last`; the layers below it stay the same. */
const dockerfile = base => `FROM ${base} AS build
RUN mkdir -p /out && echo built > /out/mark
COPY files /src
RUN find /src -type f | wc -l > /out/count && cp -r /src /out/src
FROM ${base}
RUN echo app:x:1000:1000::/srv:/bin/sh >> /etc/passwd && mkdir -p /srv/data
COPY --from=build /out /srv/app
RUN rm /srv/app/mark && cat /srv/app/count > /srv/data/count
WORKDIR /srv
COPY last last
CMD ["sh"]
`

const PIPE =
  'kf-parse "$W/context/Dockerfile" | kf-run --quiet --context "$W/context" | ovl-diff | layer-pack'
const TAGGED = 'manifest-gen -t bench/app:1 | blob-put store:bench/app:1 > /dev/null'
const PUSHED = 'manifest-gen -t bench/app:1 | blob-put "docker://$(cat "$W/target")" > /dev/null'
const DOCKER = 'DOCKER_HOST="unix://$W/docker.sock" DOCKER_BUILDKIT=1 peer docker'
const BUILDAH = 'peer buildah --root "$W/buildah" --runroot "$W/buildah-run" --storage-driver overlay'
const BUILDAH_BUILD =
  '--runtime runc build --layers --network host --ulimit nofile=1024:1024 --ulimit nproc=1024:1024 --tls-verify=false'
const CHANGE = 'date +%s%N > "$W/context/last"'

export default function builds() {
  const registry = startRegistry()
  if (registry === undefined) return
  const base = `${registry}/bench/debian:1`
  makeContext(base)
  const contenders = [ours(base, ''), ours(base, '--compress none'), docker(base), buildah(base)]
  const rows = action => contenders.map(contender => contender.row(action))
  compare('build cold', 'true', rows('cold'))
  compare('build warm', 'true', rows('warm'))
  compare('build edit', 'true', rows('edit'))
  compare('build + push', `echo "${registry}/run$RANDOM$RANDOM/app:1" > "$W/target"`, rows('push'))
}

function makeContext(base) {
  const context = path.join(work, 'context')
  fs.mkdirSync(context)
  fs.renameSync(manyFiles(FILES, FILE_BYTES), path.join(context, 'files'))
  fs.writeFileSync(path.join(context, 'Dockerfile'), dockerfile(base))
  shell(`${CHANGE}
    layer-pack --dir "${plainDebian()}" | manifest-gen -t bench:1 --cmd sh | blob-put "docker://${base}" > /dev/null
    rm -rf "$W/store"`)
}

/** The commands that a contender runs before and during the measurement. */
function row({ name, needs, peer, empty, build, push, targets }, action) {
  const [before, command] = {
    cold: [empty, build],
    warm: [build, build],
    edit: [`${build}; ${CHANGE}`, build],
    push: [empty, push],
  }[action]
  return { name, needs, peer, prepare: before, command, targets: targets?.[action] }
}

/** Our build. Its base is unpacked beforehand, as for the others. */
function ours(base, how) {
  const run = `${PIPE} ${how}`
  const most = limit => [{ to: 'docker build', most: limit }]
  shell(`[ -e "$W/base-store" ] || {
    printf 'FROM ${base}\\nRUN true\\n' | kf-parse - | kf-run --quiet | cat > /dev/null
    rm -rf "$W/store/steps"; mv "$W/store" "$W/base-store"; }`)
  const contender = {
    name: how === '' ? 'the pipe' : `... ${how}`,
    empty: 'rm -rf "$W/store"; cp -a "$W/base-store" "$W/store"',
    build: `${run} | ${TAGGED}`,
    push: `${run} | ${PUSHED}`,
    targets: how === '' ? { cold: most(1), warm: most(0.5), edit: most(0.5), push: most(0.7) } : undefined,
  }
  return { row: action => row(contender, action) }
}

function docker(base) {
  const contender = {
    name: 'docker build',
    // The plugin is not on PATH, and without it Docker does not use BuildKit.
    needs: shell('peer docker buildx version > /dev/null 2>&1 && echo yes || true')
      ? ['docker', 'dockerd']
      : ['docker-buildx'],
    peer: true,
    empty: `${DOCKER} builder prune --all --force > /dev/null; ${DOCKER} rmi -f app > /dev/null 2>&1 || true`,
    build: `${DOCKER} build -q --network host -t app "$W/context" > /dev/null`,
    push: `${DOCKER} build -q --network host -t "$(cat "$W/target")" "$W/context" > /dev/null && ${DOCKER} push -q "$(cat "$W/target")" > /dev/null`,
  }
  if (has(contender.needs)) startEngine(base)
  return { row: action => row(contender, action) }
}

function startEngine(base) {
  // dockerd is asked to end and then awaited, because it unmounts folders that are removed afterwards.
  onExit(() => shell('for i in $(seq 100); do [ -e "$W/docker.pid" ] || break; sleep 0.1; done'))
  serve(
    'peer dockerd --data-root "$W/docker" --exec-root "$W/docker-run" --pidfile "$W/docker.pid" -H "unix://$W/docker.sock" --bridge=none --iptables=false --ip6tables=false',
  )
  shell(`for i in $(seq 300); do ${DOCKER} version > /dev/null 2>&1 && break; sleep 0.1; done
    ${DOCKER} pull -q "${base}" > /dev/null`)
}

function buildah(base) {
  const contender = {
    name: 'buildah build',
    needs: 'buildah',
    peer: true,
    empty: `${BUILDAH} rmi -a -f > /dev/null 2>&1; ${BUILDAH} pull -q --tls-verify=false "${base}" > /dev/null`,
    build: `${BUILDAH} ${BUILDAH_BUILD} -q -t app "$W/context" > /dev/null`,
    push: `${BUILDAH} ${BUILDAH_BUILD} -q -t app "$W/context" > /dev/null && ${BUILDAH} push -q --tls-verify=false app "docker://$(cat "$W/target")"`,
  }
  if (has([contender.needs])) onExit(() => shell(`${BUILDAH} rmi -a -f > /dev/null 2>&1 || true`))
  return { row: action => row(contender, action) }
}

function has(programs) {
  return programs.every(name => shell(`peer sh -c 'command -v ${name}' || true`) !== '')
}
