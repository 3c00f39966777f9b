// Runs Docker's containers and img-run's beside them, on the same image and with the same options: what both say, and
// how they end, is equal.

import fs from 'node:fs'
import { need, startDocker } from '@pipelayer/testkit'
import t from 'tap'
import { lab } from './lab.js'
import { writeTree } from './run-image.js'

const tooLong = process.env.PIPELAYER_TEST_ALL === '1' ? false : 'takes minutes: scripts/test --all runs it'

const DOCKERFILE = `FROM scratch
COPY tree /
ENV PATH=/bin K="a value"
WORKDIR /srv
CMD ["sh", "-c", "echo default"]
`

const FACTS = `
env | sort; id; pwd; hostname; umask
grep -E '^(Uid|Gid|Groups|CapInh|CapPrm|CapEff|CapBnd|CapAmb|NoNewPrivs|Seccomp):' /proc/self/status
grep -cE '^[^ ]+ /(proc|dev|dev/pts|dev/shm|dev/mqueue|sys) ' /proc/mounts
ls /dev | sort; touch /proc/sys/kernel/x /proc/sysrq-trigger 2>&1; cat /proc/kcore 2>&1 | head -c 1`
const MOUNTS = `
grep -E '^[^ ]+ (/run|/data) ' /proc/mounts | sed 's/.*\\(tmpfs [^ ]*\\|[^ ]* r[ow]\\),.*/\\1/'
touch /x /data/x /run/x 2>&1; cat /data/f /file; ls /run`
const LIMITS = `
ulimit -n; ulimit -Hn; cd /sys/fs/cgroup
for file in memory/memory.limit_in_bytes cpu/cpu.cfs_quota_us pids/pids.max memory.max cpu.max pids.max; do
  [ ! -e $file ] || cat $file
done`
// Calls that the default filter refuses, or that root may make only with capabilities which Docker does not give.
const FILTERED = `
swapoff /none 2>&1; mount -t tmpfs none /tmp 2>&1; date -s @1 >/dev/null 2>&1 || echo "date $?"
chroot / true && echo chroot`

/** Words behind `run`, the same for both; \`QUOTED\` texts are commands for the shell of the image. */
const ROWS: readonly [options: string, command: string, why: string][] = [
  ['', '', 'the command of the image'],
  ['', `sh -c '${FACTS.replaceAll("'", `'\\''`)}'`, 'a container without options'],
  [
    '-u joe -w /made/here -h box -e A=1 -e HERE -e K --env-file vars',
    `sh -c '${FACTS.replaceAll("'", `'\\''`)}; cat /etc/hostname'`,
    'another user, directory, name and environment',
  ],
  ['-u joe:wheel', 'id', 'a group'],
  ['-u 7', 'id', 'a number'],
  [
    '--read-only --tmpfs /run:size=64k,mode=1777 -v $PWD/data:/data -v $PWD/data/f:/file:ro',
    `sh -c '${MOUNTS.replaceAll("'", `'\\''`)}'`,
    'a root that is not written to',
  ],
  [
    '-v $PWD/data:/data:ro --mount type=bind,src=$PWD/data/f,dst=/file --mount type=tmpfs,dst=/run',
    `sh -c '${MOUNTS.replaceAll("'", `'\\''`)}'`,
    'mounts',
  ],
  ['--cap-drop ALL --cap-add CHOWN --cap-add cap_net_raw', 'grep ^Cap /proc/self/status', 'few capabilities'],
  ['--cap-add SYS_ADMIN --cap-drop mknod', 'grep ^Cap /proc/self/status', 'one more, one less'],
  ['-m 64m --cpus 0.5 --pids-limit 50 --ulimit nofile=100:200', `sh -c '${LIMITS}'`, 'limits'],
  ['--entrypoint /bin/cat', '/etc/text', 'an entrypoint'],
  ['--entrypoint sh', "-c 'exit 7'", 'a status'],
  ['', 'sh -c "kill -TERM \\$\\$; sleep 1; exit 3"', 'a first process that its own signal does not reach'],
  ['', 'nothing', 'a command that is not there'],
  ['', '/etc/text', 'a file that is no program'],
  ['', '/etc', 'a directory'],
  ['', `sh -c '${FILTERED}'`, 'the default filter'],
  ['FILTER=$PWD/filter.json', `sh -c 'mkdir /new 2>&1; grep ^Seccomp: /proc/self/status'`, 'a filter'],
  ['FILTER=unconfined', 'grep ^Seccomp: /proc/self/status', 'no filter'],
  ['-i', 'cat', 'input'],
]

t.test(
  'docker run and img-run',
  { skip: need('root', 'dockerd', 'docker', 'runc', 'busybox') || tooLong },
  async t => {
    const place = lab(t)
    const docker = `docker -H ${(await startDocker(t)).host}`
    writeTree(place)
    const refuse = { names: ['mkdir', 'mkdirat'], action: 'SCMP_ACT_ERRNO', errnoRet: 95 }
    place.write({
      Dockerfile: DOCKERFILE,
      'data/f': 'file\n',
      vars: '# comment\nB=from file\nA=0\n',
      'filter.json': JSON.stringify({ defaultAction: 'SCMP_ACT_ALLOW', syscalls: [refuse] }),
    })
    await place.good(`${docker} build -q -t app:1 .`, { env: { DOCKER_BUILDKIT: '0' } })
    await place.good(`${docker} save app:1 | img-pull docker-archive:- | blob-put store:app:1`)
    const run = async (program: string, options: string, command: string): Promise<object> => {
      const whole = `${program} --network host ${options} app:1 ${command}`
      const { status, stdout } = await place.run(whole, {
        input: 'the input\n',
        env: { HERE: 'here', K: undefined },
      })
      fs.rmSync(place.path('data/x'), { force: true })
      return { status, stdout }
    }
    for (const [options, command, why] of ROWS) {
      const theirs = options.replace('FILTER=', '--security-opt seccomp=')
      const ours = options.replace('FILTER=', '--seccomp ')
      t.same(await run('img-run', ours, command), await run(`${docker} run --rm`, theirs, command), why)
    }
    t.same(await run('img-run', '', 'cat'), { status: 0, stdout: '' }, 'without -i there is no input')
  },
)
