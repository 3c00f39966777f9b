FROM docker.io/pipelayer-test/small:1
RUN --mount=type=tmpfs,target=/home/app stat -c '%a %u:%g' /home/app >/got
RUN --mount=type=tmpfs,target=/root stat -c '%a %u:%g' /root >/got2
