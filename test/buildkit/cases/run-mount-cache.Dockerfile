FROM docker.io/pipelayer-test/small:1
RUN --mount=type=cache,target=/cache,id=pipelayer-case,sharing=locked echo x > /cache/file && stat -c "%a %u:%g" /cache > /1
RUN --mount=type=cache,target=/cache,id=pipelayer-case,readonly cat /cache/file > /2
RUN --mount=type=cache,target=/other,id=pipelayer-case2,mode=0700,uid=1000,gid=1001 stat -c "%a %u:%g" /other > /3
RUN --mount=type=cache,target=/seeded,id=pipelayer-case3,from=docker.io/pipelayer-test/small:1,source=/var/lib/data cat /seeded/file > /4
