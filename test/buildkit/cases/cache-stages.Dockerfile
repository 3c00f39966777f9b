FROM docker.io/pipelayer-test/small:1 AS one
RUN --mount=type=cache,target=/case-stages echo one >/case-stages/f
FROM one
RUN --mount=type=cache,target=/case-stages cat /case-stages/f >/got
