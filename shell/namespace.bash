# Part of img-run: a user namespace for ordinary users, whose ids are those that their container will have.

# The ranges that a file gives to this user, as newuidmap takes them: first id inside, first id outside, and how many.
ranges() {
  awk -F: -v name="$(id -un)" -v id="$EUID" 'BEGIN { at = 1 } $1 == name || $1 == id { print at, $2, $3; at += $3 }' "$1" 2>/dev/null
}

# Without ranges the container has no user but root, and all files belong to this user.
has_ranges() {
  [[ $(ranges /etc/subuid) && $(ranges /etc/subgid) ]] && command -v newuidmap >/dev/null && command -v newgidmap >/dev/null
}

# Runs a command that gives the files of a container their owners, or removes such files.
as_root() {
  local ids pid
  if ((!EUID)) || ! has_ranges; then
    "$@"
    return
  fi
  unshare --user true || { echo 'img-run: user namespaces are not allowed here' >&2; return 1; }
  ids=$(mktemp -d "$work/ids-XXXXXX")
  mkfifo "$ids/made" "$ids/mapped"
  # The command waits until its namespace has ids. It becomes root of the namespace by being started then.
  unshare --user sh -c 'echo >"$0/made"; read -r _ <"$0/mapped"; exec "$@"' "$ids" "$@" <&0 &
  pid=$!
  read -r _ <"$ids/made"
  # shellcheck disable=SC2046 # each number is a word
  if ! newuidmap "$pid" 0 "$EUID" 1 $(ranges /etc/subuid) || ! newgidmap "$pid" 0 "$(id -g)" 1 $(ranges /etc/subgid); then
    kill "$pid"
    return 1
  fi
  echo >"$ids/mapped"
  wait "$pid"
}
