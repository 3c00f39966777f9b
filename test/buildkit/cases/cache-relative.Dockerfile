FROM docker.io/pipelayer-test/small:1
WORKDIR /case-w
RUN --mount=type=cache,target=rel echo one >/case-w/rel/f
RUN --mount=type=cache,target=/case-w/rel ls -A /case-w/rel >/got
RUN --mount=type=cache,target=./rel/ ls -A /case-w/rel >/got2
WORKDIR /
RUN --mount=type=cache,target=rel ls -A /rel >/got3
