#!/usr/bin/env bash
# Archives of GNU tar (pax, gnu, sparse) and bsdtar, read and written again by our tools, are equal trees to GNU tar, to
# getfattr and to python's tarfile.
. "$(dirname "$0")/lib.bash"

# Every kind of entry that archives can hold. Times are whole seconds, except two, whose fractions only pax keeps.
make_tree() {
  mkdir -p "$1/folder/empty" "$1/$(printf 'long%.0s' {1..30})"
  cd "$1"
  echo content >file
  : >empty
  ln file folder/hard
  ln -s ../file folder/symlink
  ln -s "$(printf 'target/%.0s' {1..40})" folder/far
  mkfifo -m 0600 fifo
  mknod -m 0640 device c 300 70000
  head -c 70000 /dev/urandom >"$(printf 'long%.0s' {1..30})/$(printf 'name%.0s' {1..50})"
  echo one >$'not utf-8 \xff\xfe'
  echo two >'Grüße, 世界'
  echo three >'blank and "quotes"'
  echo secret >secret
  chmod 0000 secret
  echo set >setuid
  chown 3000000:4000000 setuid
  chmod 6755 setuid
  chmod 1777 folder/empty
  truncate -s 5M sparse
  printf 'in the middle' | dd of=sparse bs=1 seek=3000000 conv=notrunc status=none
  truncate -s 64M holes
  echo old >old
  setfattr -n user.comment -v 'a value' file
  setfattr -n user.binary -v 0x00ff0a3d00 folder
  setfattr -n user.empty empty
  cp /bin/true capable
  setcap cap_net_bind_service=ep capable
  find . -exec touch -hd @1700000000 {} +
  touch -hd @-86400 old
  touch -hd @4300000000.123456789 file
  touch -hd @1600000000.5 folder/symlink
}

# Every member as python reads it. With $2 empty only the fields that every format keeps, else xattrs and fractions of a
# second as well.
members() {
  python3 - "$1" "${2-}" <<'PYTHON'
import hashlib, sys, tarfile
for m in sorted(tarfile.open(sys.argv[1]), key=lambda m: m.name):
    content = hashlib.sha256(tarfile.open(sys.argv[1]).extractfile(m.name).read()).hexdigest() if m.isreg() else ''
    if m.name in ('', '.'):
        continue
    name = m.name[2:] if m.name.startswith('./') else m.name
    link = m.linkname[2:] if m.islnk() and m.linkname.startswith('./') else m.linkname
    kind = '0' if m.isreg() else m.type.decode()
    print(ascii((name, kind, oct(m.mode), m.uid, m.gid, int(m.mtime // 1), ascii(link), m.devmajor, m.devminor, content)))
    # bsdtar gives a hard link the metadata of its file.
    if sys.argv[2] and not m.islnk():
        print('  ', repr(float(m.mtime)))
        for key, value in sorted(m.pax_headers.items()):
            if key.startswith('SCHILY.xattr.'):
                print('  ', ascii((key, value)))
PYTHON
}

extract() {
  mkdir "$2"
  tar -C "$2" --xattrs --xattrs-include='*' --numeric-owner --same-owner --warning=no-unknown-keyword \
    --warning=no-timestamp -xpf "$1"
}

# Checks that an archive unpacks to the tree in $work/a and has the members in $work/members. The members also show hard
# links, which compare-trees does not compare.
same_tree() {
  rm -rf "$work/b"
  extract "$1" "$work/b"
  "$shows/compare-trees" "$work/a" "$work/b" || fails "$2: GNU tar and getfattr see other trees"
  [ "$(stat -c %i "$work/b/file")" = "$(stat -c %i "$work/b/folder/hard")" ] || fails "$2: a hard link is lost"
  diff "$work/members" <(members "$1" "$3") || fails "$2: python's tarfile sees other members"
  holds "$2"
}

# The three ways in which our tools rewrite an archive.
rewritten() {
  local archive=$1 name=$2 exact=$3
  rm -rf "$work/a"
  extract "$archive" "$work/a"
  members "$archive" "$exact" >"$work/members"
  layer-pack --tar "$archive" --compress none | jq -r 'select(.type == "layer").path' >"$work/path"
  cmp "$archive" "$(cat "$work/path")" || fails "$name: layer-pack --tar changes bytes"
  holds "$name: layer-pack --tar keeps every byte"
  layer-ls "$archive" | layer-pack --mtime-ns --compress none | jq -r 'select(.type == "layer").path' >"$work/path"
  same_tree "$(cat "$work/path")" "$name: layer-ls | layer-pack" "$exact"
  layer-ls "$archive" | jq -c 'if .path == "file" then .entry.mode = "0604" else . end' |
    layer-pack --filtered --mtime-ns | jq -r 'select(.type == "layer").path' >"$work/path"
  [ "$(tar --warning=no-unknown-keyword -tvzf "$(cat "$work/path")" file | cut -c1-10)" = -rw----r-- ] || fails "$name: the edit is lost"
  holds "$name: an entry edited on the way"
  untar --tar "$archive" --to-tar >"$work/whole.tar"
  same_tree "$work/whole.tar" "$name: untar --to-tar" "$exact"
}

(make_tree "$work/tree")
cd "$work/tree"
gnu=(tar --sort=name --numeric-owner --xattrs '--xattrs-include=*')
# --xattrs is left out, because GNU tar refuses it for its own format.
plain=(tar --sort=name --numeric-owner --format=gnu)
"${gnu[@]}" --format=pax --exclude=./holes -cf "$work/pax.tar" .
"${plain[@]}" --exclude=./holes -cf "$work/gnu.tar" .
"${gnu[@]}" --format=pax --sparse -cf "$work/sparse-pax.tar" .
"${gnu[@]}" --format=pax --sparse --sparse-version=0.1 -cf "$work/sparse-0.1.tar" .
"${plain[@]}" --sparse -cf "$work/sparse-gnu.tar" .
# The entries are sorted, because GNU tar loses the time of a folder if the archive comes back to it later.
find . ! -name holes -print0 | LC_ALL=C sort -z |
  bsdtar --format=pax --xattrs --numeric-owner --null -nT - -cf "$work/bsdtar.tar"
cd "$work"
rm -rf "$work/tree"

rewritten "$work/pax.tar" pax exact
rewritten "$work/gnu.tar" gnu ''
rewritten "$work/sparse-pax.tar" 'sparse, pax 1.0' exact
rewritten "$work/sparse-0.1.tar" 'sparse, pax 0.1' exact
rewritten "$work/sparse-gnu.tar" 'sparse, gnu' ''
rewritten "$work/bsdtar.tar" bsdtar exact
