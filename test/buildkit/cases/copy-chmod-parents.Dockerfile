FROM docker.io/pipelayer-test/small:1
COPY --chmod=700 a.txt /new/sub/file
COPY --chmod=710 dir /deep/er/dir
COPY --chmod=701 --chown=3:4 dir/sub /p/q/
COPY --chmod=u=rwX,go= dir /sym/one
COPY --chmod=711 <<EOF /here/doc/x
x
EOF
ADD --chmod=701 plain.tar /un/packed/
