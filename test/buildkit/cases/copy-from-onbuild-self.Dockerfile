FROM docker.io/pipelayer-test/small:1 AS a
ONBUILD COPY --from=b /etc/passwd /x
FROM a AS b
COPY a.txt /
