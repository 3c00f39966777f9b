# Part of kf-build: finds the Dockerfile of $context. Sets `file`, what kf-parse reads; `as`, its options; and `context`, what kf-run
# reads, empty where there is none.

as=()

# Ends with the status of the first program of a pipe that failed; those before a reader that left do not count.
first() {
  for is in "$@"; do ((is % 141 == 0)) || exit "$is"; done
  exit 141
}

# As with docker build, stdin is a context if it is a tar, and otherwise a Dockerfile without a context.
from_stdin() {
  [[ $file != - ]] || wrong 'stdin cannot be both the Dockerfile and the context'
  cat >"$work/context"
  if [[ -s $work/context ]] && tar -tf "$work/context" >"$work/names" 2>&1; then
    context=$work/context
  elif [[ $file ]]; then
    wrong "stdin is no tar, so it has no $file"
  else
    exec <"$work/context"
    file=- context=''
  fi
}

# If the context is no directory, its Dockerfile is read by a small build, because kf-run can fetch and unpack contexts.
# With the wildcards, COPY does not fail if a file is missing; WORKDIR makes a layer even if no file is there.
from_context() {
  local wanted='"Dockerfil[e]", "Kubefil[e]", "contex[t]"' name keys=() flag
  [[ ! $file ]] || wanted=\"${file//[\\\"]/\\&}\"
  for flag in "${run[@]}"; do [[ $flag != --@(secret|ssh)=* ]] || keys+=("$flag"); done
  (
    export SOURCE_DATE_EPOCH=0 # this image is thrown away, and need not be another one each time
    printf 'FROM scratch\nWORKDIR /kf-build\nCOPY [%s, "/"]\n' "$wanted" | kf-parse --file-name kf-build - | kf-run -q -c "$context" "${keys[@]}" |
      ovl-diff -q | layer-pack -q | manifest-gen -q | untar -q "$work/root" >"$work/records" || first "${PIPESTATUS[@]}"
  ) || exit
  for name in "${file##*/}" Dockerfile Kubefile context; do
    # A symlink could lead to a file of this machine.
    [[ ! -f $work/root/$name || -L $work/root/$name ]] || break
    name=''
  done
  [[ $name ]] || { echo "kf-build: there is no Dockerfile in $context" >&2; exit 1; }
  as=(--file-name "${file:-$name}") file=$work/root/$name
}

if [[ ! -d $context ]]; then
  work=$(mktemp -d "${TMPDIR:-/tmp}/kf-build-XXXXXX")
  trap 'rm -rf "$work"' EXIT
  [[ $context != - ]] || from_stdin
  # A pipe is read only once, but is needed twice: for the Dockerfile, and for the files. So it is kept in a file.
  [[ ! -p $context ]] || { cat -- "$context" >"$work/context" && context=$work/context; }
  [[ ! $context || $file == - ]] || from_context
elif [[ ! $file ]]; then
  file=$context/Dockerfile
  [[ -e $file || ! -e $context/Kubefile ]] || file=$context/Kubefile
fi
