// img-run: its man page, how it ends, signals, terminals, networks, and ordinary users.

import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { isAlive, need, ROOT, waitUntil } from '@pipelayer/testkit'
import t, { type Test } from 'tap'
import { type Lab, lab } from './lab.js'
import { storeApp } from './run-image.js'

const tooLong = process.env.PIPELAYER_TEST_ALL === '1' ? false : 'takes minutes: scripts/test --all runs it'

const USER = 61234
const PAGE = fs.readFileSync(path.join(ROOT, 'shell/img-run.md'), 'utf8')
const skip = need('root', 'runc', 'busybox', 'jq')

/** A lab with the image, in whose `tmp` the script makes its folders. */
async function appLab(t: Test): Promise<Lab> {
  const place = lab(t)
  await storeApp(place)
  return place
}

function leftovers(where: Lab): string[] {
  return fs.readdirSync(where.path('tmp'))
}

t.test('the man page', { skip }, async t => {
  const place = await appLab(t)
  const { stdout } = await place.good('img-run --help')
  const options = /## OPTIONS\n\n```\n([\s\S]*?)```/.exec(PAGE)?.[1] ?? ''
  t.equal(stdout, options, '--help shows its options')
  const given: Readonly<Record<string, string>> = {
    name: `man-${process.pid}`,
    pull: 'never',
    platform: 'linux/amd64',
    runtime: 'runc',
    network: 'none',
    publish: '1:1',
    volume: '/etc:/e',
    mount: 'type=tmpfs,dst=/m',
    tmpfs: '/t',
    env: 'A=1',
    'env-file': '/dev/null',
    user: '0',
    workdir: '/',
    hostname: 'box',
    entrypoint: 'echo',
    'cap-add': 'CHOWN',
    'cap-drop': 'CHOWN',
    seccomp: 'default',
    memory: '64m',
    'memory-swap': '-1',
    cpus: '1',
    'pids-limit': '99',
    ulimit: 'core=0',
    label: 'a=b',
    annotation: 'a=b',
  }
  const words = [...options.matchAll(/^ {2}(?:-\w,| {3}) --([a-z-]+) +(\S+): /gm)].map(
    ([, name = '', value = '']) => `--${name} '${given[name] ?? `no value for ${value}`}'`,
  )
  t.equal(words.length, Object.keys(given).length, 'all with a value are tried')
  const plain = ['--interactive', '--rm', '--quiet', '--plain-http', '--read-only']
  const all = [...plain, ...words].join(' ')
  t.equal((await place.good(`img-run ${all} app:1 words`)).stdout, 'words\n')
})

t.test('recipes of the man page', { skip }, async t => {
  const place = await appLab(t)
  const web = `web-${process.pid}`
  const named = (text: string): string => text.replaceAll('web.log', 'the.log').replaceAll(/\bweb\b/g, web)
  const start = /^\$ (img-run --name web) app:1 > web.log 2>&1 &$/m.exec(PAGE)
  const recipes = new Map(
    [...PAGE.matchAll(/^\| `docker (\w+)[^`]*` \| `([^`]+)` \|$/gm)].map(([, what = '', how = '']) => [
      what,
      named(how),
    ]),
  )
  t.same([...recipes.keys()], ['ps', 'top', 'inspect', 'logs', 'exec', 'pause', 'unpause', 'kill', 'rm'])
  const does = async (what: string): Promise<string> =>
    (await place.good(recipes.get(what) ?? 'false')).stdout
  const begin = (): ReturnType<Lab['start']> =>
    place.start(
      `${named(start?.[1] ?? '')} --network none app:1 sh -c 'echo is up; sleep 600' > the.log 2>&1`,
    )
  const isUp = (): Promise<void> =>
    waitUntil(
      'the container is up',
      () =>
        fs.existsSync(place.path('the.log')) &&
        fs.readFileSync(place.path('the.log'), 'utf8').includes('is up'),
    )
  const first = begin()
  await isUp()
  t.match(await does('ps'), new RegExp(`^${web} .* running `, 'm'))
  t.match(await does('top'), /sleep 600/)
  t.match(JSON.parse(await does('inspect')), { id: web, status: 'running' })
  t.equal(await does('logs'), 'is up\n')
  t.match(await does('exec'), /^bin$/m)
  await does('pause')
  t.match(await does('ps'), new RegExp(`^${web} .* paused `, 'm'))
  await does('unpause')
  const twice = await place.run(`img-run --name ${web} app:1`)
  t.equal(twice.status, 125, 'a name that is taken')
  t.match(await does('ps'), new RegExp(`^${web} .* running `, 'm'), 'belongs to the other still')
  await does('kill')
  t.equal((await first.done).status, 137)
  t.notMatch(await does('ps'), web)
  fs.rmSync(place.path('the.log'))
  const second = begin()
  await isUp()
  await does('rm')
  t.not((await second.done).status, 0)
  t.notMatch(await does('ps'), web)
})

t.test('how it ends', { skip }, async t => {
  const place = await appLab(t)
  place.write({ 'tmp/': '', broken: 'x' })
  const rows: readonly [args: string, status: number, said: RegExp, why: string][] = [
    ['', 125, /there is no IMAGE/, 'no image'],
    ['--no-such-flag app:1', 125, /unrecognized option/, 'an unknown flag'],
    ['--detach app:1', 125, /unrecognized option/, 'what docker has and this does not'],
    ['--pull sometimes app:1', 125, /always, missing or never/, 'an unknown word'],
    ['--pull never other:1', 125, /the store has no image "other:1"/, 'an image that is not there'],
    [
      '--network none -v /none:/d app:1',
      125,
      /the source "\/none" does not exist/,
      'a source that is not there',
    ],
    ['--network none --seccomp broken app:1', 125, /is no JSON/, 'a broken filter'],
    ['--network none --user ann app:1', 125, /user "ann" is not in/, 'a user who is not there'],
    ['--network net app:1', 125, /--network takes host or none or private/, 'an unknown network'],
    ['--runtime none app:1', 125, /none is not installed/, 'a runtime that is not there'],
    ['--network none -t app:1', 125, /--tty needs a terminal/, 'no terminal'],
    ['--network none --name a/b app:1', 125, /invalid/, 'a name that runc refuses'],
    ['--network none app:1', 0, /^$/, 'all is well'],
  ]
  for (const [args, status, said, why] of rows) {
    const result = await place.run(`setsid -w img-run ${args}`, { env: { TMPDIR: place.path('tmp') } })
    t.equal(result.status, status, `${why}: ${result.stderr}`)
    t.match(result.stderr, said, why)
    t.same(leftovers(place), [], `${why}: nothing is left`)
  }
  const quiet = await place.good('img-run -q --network none app:1')
  t.equal(quiet.stderr, '')
  t.equal(quiet.stdout, 'default\n')
  const id = (await place.good('img-inspect --format .Id app:1')).stdout.trim().slice('sha256:'.length, 20)
  t.equal(
    (await place.good(`img-run -q --network none ${id} sh -c 'echo $K'`)).stdout,
    'image\n',
    'by its id',
  )
  await place.good('img-pull store:app:1 | blob-put oci:layout:app')
  t.equal((await place.good('img-run -q --network none oci:layout:app')).stdout, 'default\n', 'from a place')
})

t.test('signals', { skip }, async t => {
  const place = await appLab(t)
  place.write({ 'tmp/': '' })
  const script =
    'trap "echo got TERM; exit 5" TERM; trap "echo got INT; exit 6" INT; trap "echo got USR1" USR1; echo up; while :; do sleep 0.1; done'
  for (const [signal, status, why] of [
    ['TERM', 5, 'is passed on'],
    ['INT', 6, 'is not ignored, as the shell does with background processes'],
  ] as const) {
    const pid = place.path(`pid-${signal}`)
    const running = place.start(
      `sh -c 'echo $$ > ${pid}; exec img-run -q --network none app:1 sh -c "$0"' '${script}' > out-${signal}`,
      { env: { TMPDIR: place.path('tmp') } },
    )
    const out = (): string =>
      fs.existsSync(place.path(`out-${signal}`)) ? fs.readFileSync(place.path(`out-${signal}`), 'utf8') : ''
    await waitUntil('it is up', () => out().includes('up\n'))
    const id = Number(fs.readFileSync(pid, 'utf8'))
    process.kill(id, 'SIGUSR1')
    await waitUntil('USR1 has come', () => out().includes('got USR1'))
    process.kill(id, `SIG${signal}`)
    t.equal((await running.done).status, status, `${signal} ${why}`)
    t.equal(out(), `up\ngot USR1\ngot ${signal}\n`, 'once')
    t.notOk(isAlive(id))
  }
  t.same(leftovers(place), [])
})

t.test('a terminal', { skip: skip || need('script') }, async t => {
  const place = await appLab(t)
  const inside = 'stty size; [ -t 0 ] && [ -t 1 ] && echo terminal; read line; echo "read $line"'
  place.write({
    'run.sh': `stty rows 20 cols 70; img-run -q -it --network none app:1 sh -c '${inside}'; echo status $?\n`,
  })
  const { stdout } = await place.good('script -qec "bash run.sh" /dev/null', { input: 'a line\n' })
  t.match(stdout.replaceAll('\r', ''), /20 70\nterminal\n[\s\S]*read a line\nstatus 0\n/)
})

t.test('networks', { skip }, async t => {
  const place = await appLab(t)
  const list = 'img-run app:1 sh -c "ls /sys/class/net; cat /etc/hosts; hostname"'
  const none = await place.good(list.replace('app:1', '--network none --hostname box app:1'))
  t.match(none.stdout, /^lo\n127.0.0.1\tlocalhost\n[\s\S]*127.0.1.1\tbox\nbox\n$/, 'itself alone')
  const host = await place.good(list.replace('app:1', '--network host app:1'))
  t.match(host.stdout, new RegExp(`${os.hostname()}\\n$`), 'the name of the machine')
  // A folder of links to all programs but those that connect networks: a machine that lacks them.
  await place.run(
    'mkdir lack; IFS=:; for dir in $PATH; do ln -s "$dir"/* lack/ 2>/dev/null; done; rm -f lack/pasta lack/slirp4netns',
  )
  const bare = (args: string): ReturnType<Lab['run']> =>
    place.run(`PATH=$PWD/lack '${ROOT}/shell/img-run' ${args}`)
  const fallen = await bare('app:1 cat /etc/text')
  t.equal(fallen.stdout, 'text\n')
  t.match(
    fallen.stderr,
    /the container has this machine's network: neither pasta nor slirp4netns/,
    'which is said',
  )
  for (const args of ['-p 8080:80 app:1', '--network private app:1']) {
    const refused = await bare(args)
    t.equal(refused.status, 125)
    t.match(refused.stderr, /need pasta or slirp4netns, and neither is installed/)
  }
})

/** A shell function that runs img-run on a machine that has no other program for networks than the one named. */
const ONLY = `
only() {
  mkdir -p "only-$1"; IFS=:
  for dir in $PATH; do ln -s "$dir"/* "only-$1/" 2>/dev/null; done
  rm -f "only-$1/pasta" "only-$1/slirp4netns"; ln -s "$(command -v "$1")" "only-$1/$1"
}`

/** Why an ordinary user can make no network interface here: the device may be root's alone. */
function noTun(): false | string {
  const mode = fs.statSync('/dev/net/tun', { throwIfNoEntry: false })?.mode ?? 0
  return (mode & 0o006) === 0o006 ? false : '/dev/net/tun is not open to ordinary users here'
}

t.test(
  'private networks',
  { skip: skip || need('pasta', 'slirp4netns', 'newuidmap', 'curl') || tooLong },
  async t => {
    for (const [who, connector] of [
      ['root', 'pasta'],
      ['root', 'slirp4netns'],
      ['a user', 'pasta'],
      ['a user', 'slirp4netns'],
    ] as const)
      await t.test(`${connector}, as ${who}`, { skip: who === 'root' ? false : noTun() }, async t => {
        const place = await appLab(t)
        const port = 20_000 + (process.pid % 10_000)
        await place.run(`${ONLY}\nonly ${connector}`)
        const script = `ls /sys/class/net; cat /etc/resolv.conf; printf 'HTTP/1.0 200 OK\\r\\n\\r\\nhello\\n' > /tmp/answer; nc -l -p 80 < /tmp/answer >/dev/null`
        place.write({ 'run.sh': `exec img-run -q -p 127.0.0.1:${port}:80 app:1 sh -c "$1"\n` })
        const as = who === 'root' ? '' : asUser(place)
        if (who !== 'root') await place.good(`chown -R ${USER}:${USER} .`)
        const running = place.start(`PATH=$PWD/only-${connector} ${as} bash run.sh "$SCRIPT" > out`, {
          env: { SCRIPT: script },
        })
        let answer = ''
        await waitUntil(
          'the port answers',
          async () => {
            const { status, stdout } = await place.run(`curl -sS --max-time 2 http://127.0.0.1:${port}/`)
            answer = stdout
            return status === 0 && stdout !== ''
          },
          30_000,
        )
        t.equal(answer, 'hello\n')
        const { status, stderr } = await running.done
        t.equal(status, 0, stderr)
        const out = fs.readFileSync(place.path('out'), 'utf8')
        t.match(out, /^lo$/m)
        t.match(out, /^(?!lo$)[a-z0-9]+$/m, 'an interface beside lo')
        t.match(out, /^nameserver /m)
        // The brackets keep the pattern from finding the shell whose command line has it.
        const pattern = `[${connector.charAt(0)}]${connector.slice(1)}.*127.0.0.1.*${port}`
        const left = await place.run(`pgrep -f '${pattern}'`)
        t.equal(left.stdout, '', 'the program has ended with the container')
      })
  },
)

/** The start of a command that an ordinary user runs, whose home is the lab. */
function asUser(where: Lab): string {
  return `'${path.join(ROOT, 'scripts/as-user')}' '${where.dir}'`
}

t.test('ordinary users', { skip: skip || need('newuidmap', 'setpriv') }, async t => {
  const place = await appLab(t)
  fs.chmodSync(place.dir, 0o755)
  place.write({ 'tmp/': '', 'run/': '' })
  await place.good(`chown -R ${USER}:${USER} .`)
  const user = `${asUser(place)} env PIPELAYER_STORE='${place.store}' TMPDIR='${place.path('tmp')}'`
  const who = await place.good(
    `${user} img-run -q --network none app:1 sh -c 'id -u; id -G; stat -c %u:%g /home/joe; touch /mine; chmod 0 /mine /srv'`,
  )
  t.match(who.stdout, /^0\n0\n1000:100\n$/, 'root of the container, and owners as in the image')
  const joe = await place.good(
    `${user} img-run -q --network none -u joe app:1 sh -c 'id -u; mkdir -m 0 /home/joe/shut; env | grep ^HOME'`,
  )
  t.equal(joe.stdout, '1000\nHOME=/home/joe\n', 'another user')
  const limited = await place.run(`${user} img-run -q --network none -m 64m app:1`)
  if (limited.status !== 0) {
    t.equal(limited.status, 125)
    t.match(limited.stderr, /LIMITS_UNSUPPORTED/)
  }
  const web = `user-${process.pid}`
  const seen = `XDG_RUNTIME_DIR='${place.path('run')}'`
  const running = place.start(`${user} env ${seen} img-run -q --name ${web} --network none app:1 sleep 600`)
  const exec = `${user} env ${seen} PATH="$PATH:/usr/sbin" runc exec ${web} id -u`
  await waitUntil('it is up', async () => (await place.run(exec)).stdout === '0\n', 30_000)
  await place.good(`${user} env ${seen} PATH="$PATH:/usr/sbin" runc kill ${web} KILL`)
  t.equal((await running.done).status, 137)
  t.same(leftovers(place), [], 'files of all owners are removed')
  // A user who is not in /etc/subuid: one id, which is root's in the container.
  const lone = `setpriv --reuid ${USER + 1} --regid ${USER + 1} --clear-groups env -u XDG_RUNTIME_DIR HOME='${place.path('tmp')}' TMPDIR='${place.path('tmp')}' PIPELAYER_STORE='${place.store}'`
  await place.good(`chown -R ${USER + 1}:${USER + 1} .`)
  const alone = await place.good(
    `${lone} img-run -q --network none app:1 sh -c 'id -u; stat -c %u:%g /home/joe; mkdir -m 0 /shut'`,
  )
  t.match(alone.stdout, /^0\n0:0\n$/)
  const other = await place.run(`${lone} img-run -q --network none -u joe app:1`)
  t.equal(other.status, 125)
  t.match(other.stderr, /runs as 1000:100.*subuid.*USER_NOT_MAPPED/)
  t.same(leftovers(place), [])
})
