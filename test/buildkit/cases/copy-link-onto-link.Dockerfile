FROM docker.io/pipelayer-test/small:1
COPY --link a.txt /var/run/inside
