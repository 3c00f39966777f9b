FROM docker.io/pipelayer-test/small:1
RUN --mount=type=cache,target=/case-id echo one >/case-id/f
RUN --mount=type=cache,id=/case-id,target=/q cat /q/f >/got
RUN --mount=type=cache,id=/case-id/,target=/q ls -A /q >/got2
RUN --mount=type=cache,id=case-id,target=/q ls -A /q >/got3
