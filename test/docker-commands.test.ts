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
  await t.test('commit', async t => sameCommit(t, both))
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

async function sameCommit(t: Test, { ours, docker }: Both): Promise<void> {
  const changes = `--change 'ENV ADDED=1' --change 'CMD ["new"]' --author somebody --message 'a remark'`
  ours.write({ 'more/added': 'new\n', 'more/dir/file': 'x\n' })
  await ours.good(`${docker} create --name box app:1 && ${docker} cp more/. box:/`)
  await ours.good(`${docker} commit ${changes} box committed:1 && ${docker} rm box`)
  await ours.good(`${docker} save -o committed.tar committed:1`)
  await ours.good('img-pull docker-archive:committed.tar | blob-put store:theirs:1')
  await ours.good('img-pull store:app:1 | untar root && cp -r more/. root')
  await ours.good(`img-commit --root root ${changes} store:app:1 store:ours:1`)
  const documents = ['theirs:1', 'ours:1'].map(async image => {
    const [document] = JSON.parse((await ours.good(`img-inspect --format json ${image}`)).stdout)
    // An engine commits what it knows of the container too: its host name, and which streams were attached.
    const config = Object.entries(filled(document.Config)).filter(
      ([key]) => !/^(Hostname|Image|Attach)/.test(key),
    )
    return {
      config: Object.fromEntries(config),
      author: document.Author,
      comment: document.Comment,
      layers: document.Layers.length,
    }
  })
  const [theirs, mine] = await Promise.all(documents)
  t.same(mine, theirs)
  for (const image of ['theirs', 'ours']) await ours.good(`img-pull store:${image}:1 | untar tree-${image}`)
  // What docker cp and the container's own mounts leave in the root, such as /dev and .dockerenv, is no file of ours.
  for (const file of ['one', 'added', 'dir/file'])
    await ours.good(`cmp tree-theirs/${file} tree-ours/${file}`)
  for (const command of [`${docker} rmi committed:1`, 'img-rm theirs:1 ours:1']) await ours.good(command)
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
