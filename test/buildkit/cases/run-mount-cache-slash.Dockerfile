FROM docker.io/pipelayer-test/small:1
RUN --mount=type=cache,target=/slash echo hi > /slash/f
RUN --mount=type=cache,target=/slash/ cat /slash/f > /one
RUN --mount=type=cache,target=//slash/. cat /slash/f > /two
RUN --mount=type=cache,target=/x,id=/slash cat /x/f > /three
RUN --mount=type=cache,target=/x,id=/slash/ ls /x > /four
WORKDIR /
RUN --mount=type=cache,target=slash ls /slash > /five
