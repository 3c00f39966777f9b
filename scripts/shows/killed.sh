#!/usr/bin/env bash
# SIGKILL to any one process of the pipe while a RUN step sleeps: the others end non-zero within seconds, nothing is
# published, nothing stays mounted or running.
. "$(dirname "$0")/lib.bash"
tree=$(debian)
layer-pack --dir "$tree" | manifest-gen --cmd /bin/bash -t debian:12 | blob-put "oci:$work/base:1" >/dev/null
printf 'FROM oci:%s\nRUN echo x > /x\nRUN sleep 600.%s\n' "$work/base:1" "$$" >"$work/Dockerfile"
mounts=$(cat /proc/self/mounts)
cd "$work"

for victim in kf-run ovl-diff layer-pack manifest-gen blob-put; do
  rm -rf statuses out
  (
    set +e
    kf-parse Dockerfile | kf-run --context . | ovl-diff | layer-pack | manifest-gen -t app:1 | blob-put oci:out:1
    echo "${PIPESTATUS[*]}" >statuses
  ) >"$victim.out" 2>"$victim.err" &
  pipe=$!
  for _ in $(seq 600); do ! pgrep -f "^sleep 600.$$" >/dev/null || break; sleep 0.1; done
  pgrep -f "^sleep 600.$$" >/dev/null || fails "the step did not start: $(tail -n 2 "$victim.err")"
  pid=$(pgrep -P "$pipe" -f "bin/$victim" | head -n 1)
  started=$(date +%s)
  kill -9 "$pid"
  wait "$pipe" || true
  took=$(($(date +%s) - started))
  read -r _ rest <statuses
  case " $rest " in *' 0 '*) fails "after $victim died a process ended with 0: $rest" ;; esac
  [ "$took" -le 10 ] || fails "after $victim died the pipe took $took s"
  [ ! -e out/index.json ] || ! grep -q digest out/index.json || fails "after $victim died an index entry appeared"
  ! grep -q app:1 "$PIPELAYER_STORE/index.json" 2>/dev/null || fails "after $victim died a tag appeared"
  for _ in $(seq 50); do pgrep -f "^sleep 600.$$" >/dev/null || break; sleep 0.1; done
  ! pgrep -f "^sleep 600.$$" >/dev/null || fails "after $victim died the step still runs"
  [ "$(cat /proc/self/mounts)" = "$mounts" ] || fails "after $victim died a mount was left"
  holds "$victim killed: the others ended with $rest within $took s"
done
