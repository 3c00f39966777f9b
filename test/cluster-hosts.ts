/**
 * Hosts for tests: each has a root filesystem of its own over that of this machine, and is reached by a stand-in for ssh
 * that takes ssh's command line. Programs of Kubernetes are stand-ins, too: they keep state, write down how they were
 * called, and refuse what the real ones refuse.
 *
 * @module
 */
import { spawn, spawnSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { ROOT, type Scope, waitUntil } from '@pipelayer/testkit'
import type { Lab } from './lab.js'

export interface TestHosts {
  /** Variables for our programs: the stand-in is first on PATH. */
  readonly env: Readonly<Record<string, string>>
  /** A path of a host as it lies here. */
  path(address: string, file: string): string
  read(address: string, file: string): string | undefined
  /** Files that a host has beside those of this machine. */
  files(address: string): readonly string[]
  /** Makes a host unreachable, or reachable again. */
  setDown(address: string, isDown: boolean): void
  /** The command lines of ssh so far. */
  calls(): string
}

/** Runs its command in the root of the host that its address names. */
const SSH = `#!/bin/bash
echo "$*" >> "$HOSTS/calls"
while [ "$1" != -- ]; do
  [ "$1" = -O ] && exit 0
  shift
done
address=$2; shift 2
if [ -e "$HOSTS/$address/down" ] || [ ! -e "$HOSTS/$address/pid" ]; then
  echo "ssh: connect to host $address port 22: Connection refused" >&2; exit 255
fi
home=$HOSTS; unset SSH_ASKPASS PIPELAYER_PASSWORD_FILE HOSTS
exec nsenter -t "$(cat "$home/$address/pid")" -m -u /bin/sh -c "cd / && $*"
`

/** Starts hosts; they end with the test. Root is needed. */
export async function startHosts(t: Scope, place: Lab, addresses: readonly string[]): Promise<TestHosts> {
  const home = place.path('hosts')
  fs.mkdirSync(path.join(home, 'bin'), { recursive: true })
  fs.writeFileSync(path.join(home, 'bin/ssh'), SSH, { mode: 0o755 })
  for (const address of addresses) await startHost(t, path.join(home, address))
  const own = (address: string, file: string): string => path.join(home, address, 'upper', file)
  return {
    env: {
      PATH: [path.join(home, 'bin'), path.join(ROOT, 'bin'), process.env.PATH, '/usr/sbin:/sbin'].join(':'),
      HOSTS: home,
    },
    path: own,
    read: (address, file) =>
      fs.existsSync(own(address, file)) ? fs.readFileSync(own(address, file), 'utf8') : undefined,
    files: address => filesBelow(path.join(home, address, 'upper')),
    setDown: (address, isDown) => {
      const file = path.join(home, address, 'down')
      if (isDown) fs.writeFileSync(file, '')
      else fs.rmSync(file, { force: true })
    },
    calls: () => fs.readFileSync(path.join(home, 'calls'), 'utf8'),
  }
}

async function startHost(t: Scope, dir: string): Promise<void> {
  for (const name of ['upper', 'work', 'root']) fs.mkdirSync(path.join(dir, name), { recursive: true })
  const script = `
    set -e
    mount -t overlay host -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" "$1/root"
    mount --rbind /proc "$1/root/proc"; mount --rbind /dev "$1/root/dev"; mount -t tmpfs tmp "$1/root/tmp"
    hostname "$(basename "$1" | tr . -)"
    cd "$1/root"; mkdir .old; pivot_root . .old; umount -l /.old; rmdir /.old
    exec sleep infinity`
  const child = spawn('unshare', ['-m', '-u', '--propagation', 'private', 'sh', '-c', script, 'sh', dir], {
    stdio: 'ignore',
  })
  t.teardown(() => void child.kill('SIGKILL'))
  await waitUntil(`the host ${dir} stands`, () => child.exitCode !== null || isReady(child.pid ?? 0), 20_000)
  if (child.exitCode !== null) throw new Error(`the host ${dir} did not start`)
  fs.writeFileSync(path.join(dir, 'pid'), String(child.pid))
}

function isReady(pid: number): boolean {
  const { stdout } = spawnSync('cat', [`/proc/${pid}/comm`], { encoding: 'utf8' })
  return stdout.trim() === 'sleep'
}

function filesBelow(dir: string, prefix = ''): readonly string[] {
  return fs.readdirSync(dir, { withFileTypes: true }).flatMap(entry => {
    const name = `${prefix}/${entry.name}`
    return entry.isDirectory() ? filesBelow(path.join(dir, entry.name), name) : [name]
  })
}

const KUBEADM = `#!/bin/sh
echo "kubeadm $*" >> /var/log/kubeadm.calls
token=abcdef.0123456789abcdef hash=sha256:1111
key=4444444444444444444444444444444444444444444444444444444444444444
case "$1 $2" in
  'init phase') echo '[upload-certs] Using certificate key:'; echo "$key" ;;
  'init --config')
    [ ! -e /etc/kubernetes/admin.conf ] || { echo 'it is there already' >&2; exit 1; }
    grep -q 'kind: ClusterConfiguration' "$3" || exit 1
    sleep 0.3; mkdir -p /etc/kubernetes; echo k > /etc/kubernetes/kubelet.conf; echo admin > /etc/kubernetes/admin.conf ;;
  'token create')
    [ -e /etc/kubernetes/admin.conf ] || exit 1
    echo "kubeadm join apiserver.cluster.local:6443 --token $token --discovery-token-ca-cert-hash $hash" ;;
  'join --config')
    [ ! -e /etc/kubernetes/kubelet.conf ] || { echo 'it is there already' >&2; exit 1; }
    grep -q "token: $token" "$3" && grep -q "$hash" "$3" || { echo 'wrong token' >&2; exit 1; }
    sleep 0.1; mkdir -p /etc/kubernetes
    if grep -q certificateKey "$3"; then grep -q "$key" "$3" || exit 1; echo admin > /etc/kubernetes/admin.conf; fi
    echo k > /etc/kubernetes/kubelet.conf ;;
  'reset -f') rm -rf /etc/kubernetes ;;
  *) echo "unknown: $*" >&2; exit 1 ;;
esac
`
const RECORDER = '#!/bin/sh\necho "${0##*/} $*" >> "/var/log/${0##*/}.calls"\n'

/** Builds a cluster image of kubeadm's kind whose programs are stand-ins, under a name in the store. */
export async function kubeadmImage(place: Lab, name: string): Promise<void> {
  place.write({
    'rootfs/bin/kubeadm': KUBEADM,
    'rootfs/bin/kubectl': RECORDER,
    'rootfs/bin/seautil': RECORDER,
    'rootfs/scripts/init.sh':
      'set -e\nmkdir -p /usr/local/sbin\ncp ../bin/kubeadm ../bin/kubectl /usr/local/sbin/\necho "$* $GREETING" > /etc/initialised\n',
    'rootfs/scripts/clean.sh': 'rm -f /usr/local/sbin/kubeadm /usr/local/sbin/kubectl /etc/initialised\n',
    'rootfs/scripts/init-registry.sh': 'echo "$*" > /var/log/registry.started\n',
    'rootfs/registry/docker/registry/v2/x': 'blob\n',
    'rootfs/etc/greeting.tmpl': 'hello {{ .GREETING }}\n',
    'rootfs/manifests/app.yaml': 'kind: X\n',
  })
  for (const file of ['kubeadm', 'kubectl', 'seautil']) fs.chmodSync(place.path('rootfs/bin', file), 0o755)
  const described = `manifest-gen --platform linux/amd64 --cmd '["kubectl apply -f manifests/app.yaml"]' -t ${name}`
  await place.good(`layer-pack --dir rootfs | ${described} | blob-put store:`)
}
