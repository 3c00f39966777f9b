#!/usr/bin/env bash
# Runs scripts/demo in a clean clone, as the current user and, if that is root, also as an ordinary user.
. "$(dirname "$0")/lib.bash"
git clone -q "$root" "$work/clone"
"$work/clone/scripts/demo" >"$work/demo.out" 2>&1 || { cat "$work/demo.out" >&2; fails 'the demo'; }
grep '^Hello from a pipe' "$work/demo.out" || { cat "$work/demo.out" >&2; fails 'the image did not say hello'; }
holds "the demo runs as $(id -un)"

[ "$(id -u)" = 0 ] || exit 0
chmod 755 "$work"
chown -R nobody "$work/clone"
if setpriv --reuid nobody --regid nogroup --clear-groups env HOME="$work/home" PIPELAYER_STORE= "$work/clone/scripts/demo" >"$work/user.out" 2>&1; then
  holds 'the demo runs as an ordinary user'
else
  tail -n 3 "$work/user.out"
  grep -qE '\[[A-Z_]+\]$' "$work/user.out" || fails 'the demo as an ordinary user failed without saying what is missing'
  holds 'the demo says what an ordinary user lacks here'
fi
