FROM docker.io/pipelayer-test/small:1
WORKDIR /w/../x//y/
COPY a.txt b/
RUN pwd >out; echo $PWD >>out
WORKDIR ${NONE}
WORKDIR z/
RUN pwd >/out2
WORKDIR /tmp/.
COPY b.txt .
