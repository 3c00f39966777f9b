# Sourced by every command of the benchmarks (BASH_ENV).
# peer PROGRAM ARG...: runs it in the system below $PEERS, by pivot_root in a mount namespace of its own, so that runc and
# storage drivers work in it. /dev, and so /dev/shm, and the network are the host's. Without $PEERS: the host's program.
peer() {
  if [ -z "$PEERS" ]; then
    "$@"
    return
  fi
  unshare -m --propagation private bash --norc -c '
    unset BASH_ENV
    set -e
    mount --rbind "$PEERS" /mnt
    cd /mnt
    mkdir -p proc dev sys .old
    mount -t proc proc proc
    mount --rbind /dev dev
    mount --rbind /sys sys
    pivot_root . .old
    cd /
    umount -l /.old
    exec "$@"' peer "$@"
}
