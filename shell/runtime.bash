# Part of img-run: the runtime and the network that the machine has, and the container from its start to its end.

choose_runtime() {
  local each
  for each in ${runtime:-runc crun}; do
    ! command -v "$each" >/dev/null || { runtime=$each; return; }
  done
  echo "img-run: ${runtime:-neither runc nor crun} is ${runtime:+not }installed" >&2
  exit 125
}

# As with Docker, a container has a network of its own, unless nothing here can connect one.
choose_network() {
  local connected=''
  [[ $network != @(bridge|default) ]] || network=private
  ! command -v pasta slirp4netns >/dev/null || connected=yes
  if [[ ! $network && $connected || $network == private && $connected ]]; then
    network=private
  elif [[ $network == private || ! $network && $ports ]]; then
    echo 'img-run: a private network, and --publish, need pasta or slirp4netns, and neither is installed' >&2
    exit 125
  elif [[ ! $network ]]; then
    network=host
    [[ $quiet ]] || echo "img-run: the container has this machine's network: neither pasta nor slirp4netns is installed" >&2
  fi
}

# runc finds a terminal in any of these; the last one fails where there is none.
has_terminal() { [[ -t 0 || -t 1 || -t 2 ]] || { : </dev/tty; } 2>/dev/null; }

# Where an image comes from: the store, if it has it under this name or id, or else what img-pull takes the name for.
place_of() {
  local wanted=store:$1 digest
  [[ ! $1 =~ ^[0-9a-f]{4,64}$ ]] || wanted=$1
  [[ $pull == @(always|missing|never) ]] || { echo "img-run: --pull takes always, missing or never, not \"$pull\"" >&2; return 1; }
  if [[ $pull != always ]] && digest=$(img-inspect "${fetch[@]}" --format .Digest -- "$wanted" 2>/dev/null); then
    echo "store:$digest"
  elif [[ $pull == never ]]; then
    echo "img-run: the store has no image \"$1\", and --pull never asks no registry" >&2
    return 1
  else
    echo "$1"
  fi
}

# Runs the container, passes signals on to it, and ends with its status.
run_container() {
  local status=0 signal
  # Without a terminal the runtime gets a process group of its own, so that one Ctrl-C does not reach it twice. With one,
  # it must be in the terminal's group, and Ctrl-C is a character that the container reads.
  [[ $tty ]] || set -m
  (
    trap - INT QUIT # a shell's background processes would ignore them, and the container too
    exec "$runtime" --log "$work/runtime.log" --log-format json run --bundle "$work" "$name"
  ) <&3 3<&- &
  child=$!
  set +m
  for signal in HUP INT QUIT TERM USR1 USR2; do trap "kill -s $signal \$child" "$signal"; done
  # A signal ends `wait` before the child ends.
  while wait "$child" || true; kill -0 "$child" 2>/dev/null; do :; done
  wait "$child" || status=$?
  ((status == 0)) || explain
  exit "$status"
}

# The status of a command that could not be started is what Docker gives.
explain() {
  local said
  said=$(grep -E '"level": ?"error"' "$work/runtime.log" 2>/dev/null | tail -n 1) || return 0
  case ${said,,} in
    *'not found in $path'* | *'no such file or directory'*) status=127 ;;
    *'permission denied'* | *'is a directory'*) status=126 ;;
    *) status=125 ;;
  esac
}

# Removes the container, if its runtime was killed, and its files.
clean_up() {
  if "$runtime" state "$name" 2>/dev/null | grep -qF "\"$work\""; then
    "$runtime" delete --force "$name" || :
  fi
  [[ ! -e $work/rootfs ]] || as_root rm -rf "$work/rootfs" 2>/dev/null || :
  chmod -R u+rwX "$work" 2>/dev/null || :
  rm -rf "$work"
}
