FROM docker.io/pipelayer-test/small:1
RUN setfattr -n user.note -v value /etc/passwd 2>/dev/null || true
