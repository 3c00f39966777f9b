FROM docker.io/pipelayer-test/debian:1
SHELL ["/bin/bash", "-euo", "pipefail", "-c"]
RUN <<EOF
declare -A m=([a]=1)
echo "${m[a]}" > /a
[[ -n "$PATH" ]] && echo ok > /ok
EOF
RUN <<EOF perl
open(F, ">", "/perl"); print F "from perl\n"; close F;
EOF
RUN false | true || echo failed > /pipefail
