FROM docker.io/pipelayer-test/small:1
COPY --link a.txt /new/link/
COPY --link --chown=1:2 --chmod=700 dir /dir
COPY --link a.txt /var/plain/
WORKDIR /w
COPY --link a.txt rel/
