#!/usr/bin/env bash
# Broken transfers of a 1 GiB blob go on where they broke: a pull killed in the middle, a push killed in the middle, a
# pull whose connection is cut 20 times. Counted by a proxy on the way.
. "$(dirname "$0")/lib.bash"
. "$shows/line.bash"
size=$((1024 * 1024 * 1024))
most=$((size / 100 * 105))

head -c "$size" /dev/urandom >"$work/big"
tar --create --file "$work/big.tar" --directory "$work" big
rm "$work/big"
layer-pack --tar "$work/big.tar" --compress none | manifest-gen -t big:1 >"$work/image"
rm "$work/big.tar"

start_registry
blob-put "docker://$registry/big:1" <"$work/image" >/dev/null
bad_line "$registry"
pull() { PIPELAYER_STORE="$work/pulled" exec img-pull "docker://$line/big:1"; }
killed_at down $((size / 2)) pull
(pull) >/dev/null
sleep 0.5
within 'a pull killed in the middle and run again' "$(passed down)"
end_line

bad_line "$registry" --cut $((size / 25)) --cuts 20
PIPELAYER_STORE="$work/cut" img-pull --quiet "docker://$line/big:1" >/dev/null
sleep 0.5
cuts=$(tail -n 1 "$counts" | sed -n 's/.*"cuts":\([0-9]*\).*/\1/p')
[ "$cuts" = 20 ] || fails "the line was cut $cuts times"
within 'a pull over a line cut 20 times' "$(passed down)"
end_line
rm -r "$work/pulled" "$work/cut"

# Debian's docker-registry forgets an upload whose chunk broke in the middle; ours keeps it.
registry-serve "$work/served" --listen 127.0.0.1:0 >"$work/served.log" &
served_pid=$!
trap 'kill "$served_pid" 2>/dev/null; clean_up' EXIT
until served=$(grep -o '"address":"[^"]*' "$work/served.log"); do sleep 0.1; done
served=${served##*\"}
bad_line "$served"
push() { exec blob-put --quiet "docker://$line/big:1" <"$work/image"; }
killed_at up $((size / 2)) push
(push) >/dev/null
sleep 0.5
within 'a push killed in the middle and run again' "$(passed up)"
end_line
