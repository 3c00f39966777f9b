FROM docker.io/pipelayer-test/small:1
RUN echo "shell $0" > /1
RUN ["sh", "-c", "echo exec $0 > /2"]
RUN ["/bin/busybox", "touch", "/3 name"]
SHELL ["/bin/sh", "-e", "-c"]
RUN false || true; echo $- > /4
