# A line between a program and a registry that counts the bytes, and breaks when it is told to. Sourced behind lib.bash.

# bad_line HOST:PORT [OPTION...]: starts a proxy; sets $line to its address and $counts to the file of its figures.
bad_line() {
  counts="$work/line-$RANDOM"
  node "$shows/cutting-proxy.mjs" "$@" >"$counts" &
  line_pid=$!
  until line=$(sed -n 's/^listening on //p' "$counts") && [ -n "$line" ]; do sleep 0.1; done
}
end_line() {
  kill "$line_pid"
  wait "$line_pid" 2>/dev/null || true
}

# passed up|down: prints how many bytes have passed so far.
passed() { tail -n 1 "$counts" | sed -n "s/.*\"$1\":\([0-9]*\).*/\1/p" | grep . || echo 0; }

# killed_at up|down BYTES COMMAND...: kills the command with SIGKILL when so many bytes have passed.
killed_at() {
  local way=$1 bytes=$2 pid status=0
  shift 2
  "$@" >/dev/null &
  pid=$!
  until [ "$(passed "$way")" -ge "$bytes" ]; do
    kill -0 "$pid" 2>/dev/null || fails "$1 ended before it was killed"
    sleep 0.02
  done
  kill -9 "$pid"
  wait "$pid" 2>/dev/null || status=$?
  [ "$status" = 137 ] || fails "$1 ended with $status before it was killed"
}

# within WHAT BYTES: checks that BYTES is at most $most, for a blob of $size.
within() {
  [ "$2" -le "$most" ] || fails "$1: $2 bytes, more than $most for a blob of $size"
  holds "$1: $(awk "BEGIN {printf \"%.3f\", $2 / $size}") times the size"
}
