FROM docker.io/pipelayer-test/small:1
RUN --mount=type=cache,target=/case-slash echo one >/case-slash/f
RUN --mount=type=cache,target=/case-slash/ cat /case-slash/f >/got
RUN --mount=type=cache,target=//case-slash/./x/.. cat /case-slash/f >/got2
