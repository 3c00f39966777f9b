ARG S=docker.io/pipelayer-test/small:1
FROM docker.io/pipelayer-test/small:1
COPY --from=$S /etc/passwd /x
