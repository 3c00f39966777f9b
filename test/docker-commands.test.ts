// Runs Docker's commands for the images of a machine and ours beside them, on the same images: what both say is equal.

import { need, startDocker } from '@pipelayer/testkit'
import t, { type Test } from 'tap'
import { type Lab, lab } from './lab.js'

const DOCKERFILE = `FROM scratch
LABEL a.b=c
ENV PATH=/bin KEY="a value"
COPY one /one
COPY two /two
USER 1:2
WORKDIR /work
EXPOSE 80/tcp
ENTRYPOINT ["/one"]
CMD ["x", "y z"]
`

interface Both {
  readonly ours: Lab
  readonly docker: string
}

t.test('the same images', { skip: need('root', 'dockerd', 'docker', 'jq') }, async t => {
  const ours = lab(t)
  const docker = `docker -H ${(await startDocker(t)).host}`
  ours.write({ 'context/Dockerfile': DOCKERFILE, 'context/one': '1\n', 'context/two': '22\n' })
  const build = `${docker} build -q --label n=1 -t app:1 -t team/app:2 context && ${docker} build -q --label n=2 -t other:1 context`
  await ours.good(build, { env: { DOCKER_BUILDKIT: '0' } })
  await ours.good(`${docker} save -o all.tar app:1 team/app:2 other:1`)
  for (const name of ['app:1', 'team/app:2', 'other:1'])
    await ours.good(`img-pull docker-archive:all.tar:${name} | blob-put store:${name}`)
  const both = { ours, docker }
  await t.test('images', async t => sameImages(t, both))
  await t.test('tag', async t => {
    for (const command of [`${docker} tag`, 'img-tag']) await ours.good(`${command} app:1 new/name`)
    await sameImages(t, both)
  })
  await t.test('inspect', async t => sameDocuments(t, both))
  await t.test('history', async t => sameHistory(t, both))
  await t.test('rmi', async t => sameRemoval(t, both))
})

async function sameImages(t: Test, { ours, docker }: Both): Promise<void> {
  const theirs = await ours.good(
    `${docker} images --no-trunc --format '{{.Repository}}:{{.Tag}} {{.ID}}' | sort`,
  )
  const listed = await ours.good(
    `img-ls | jq -r 'select(.name) | (.name | sub("^docker.io/(library/)?"; "")) + " " + .configs[0]' | sort`,
  )
  t.equal(listed.stdout, theirs.stdout)
  t.not(listed.stdout, '')
}

async function sameDocuments(t: Test, { ours, docker }: Both): Promise<void> {
  for (const image of ['app:1', 'team/app:2', 'other:1']) {
    const [theirs] = JSON.parse((await ours.good(`${docker} inspect ${image}`)).stdout)
    const [document] = JSON.parse((await ours.good(`img-inspect --format json ${image}`)).stdout)
    for (const field of ['Id', 'Comment', 'Created', 'Author', 'Architecture', 'Os', 'RootFS'])
      t.same(document[field], theirs[field], `${image}: ${field}`)
    t.same([...document.RepoTags].sort(), [...theirs.RepoTags].sort())
    t.same(filled(document.Config), filled(theirs.Config))
    for (const path of ['.Id', '.Config.Entrypoint', '.RootFS.Layers']) {
      const command = (program: string): string => `${program} --format '{{json ${path}}}' ${image}`
      const values = [await ours.good(command(`${docker} inspect`)), await ours.good(command('img-inspect'))]
      t.equal(values[1]?.stdout, values[0]?.stdout, path)
    }
  }
}

/** Docker's command line shows fields that the config does not have, as false, empty or null. */
function filled(config: Readonly<Record<string, unknown>>): object {
  return Object.fromEntries(
    Object.entries(config).filter(([, value]) => value !== null && value !== false && value !== ''),
  )
}

async function sameHistory(t: Test, { ours, docker }: Both): Promise<void> {
  const theirs = await ours.good(`${docker} history --no-trunc --format '{{.CreatedBy}}|{{.Comment}}' app:1`)
  const shown = await ours.good(
    `img-history app:1 | jq -r 'select(.type == "history") | (.createdBy // "") + "|" + (.comment // "")'`,
  )
  t.equal(shown.stdout, theirs.stdout)
}

async function sameRemoval(t: Test, both: Both): Promise<void> {
  const { ours, docker } = both
  for (const command of [`${docker} rmi`, 'img-rm']) await ours.good(`${command} app:1 other:1`)
  await sameImages(t, both)
  const { status, stderr } = await ours.run('img-rm app:1')
  t.equal(status, 1)
  t.match(stderr, /there is no image "app:1"/)
  const id = (await ours.good(`${docker} images -q team/app`)).stdout.trim()
  for (const command of [`${docker} rmi`, 'img-rm']) {
    t.not((await ours.run(`${command} ${id}`)).status, 0, `${command}: an id with two names`)
    await ours.good(`${command} -f ${id}`)
  }
  t.equal((await ours.good(`${docker} images -q`)).stdout, '')
  t.equal((await ours.good(`img-ls | jq -r 'select(.type == "reference").name'`)).stdout, '')
}
