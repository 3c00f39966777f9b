FROM docker.io/pipelayer-test/small:1
RUN --mount=type=cache,target=/case-n/in --mount=type=cache,target=/case-n echo in >/case-n/in/f && echo out >/case-n/f
RUN --mount=type=cache,target=/case-n find /case-n >/got
RUN --mount=type=cache,target=/case-n/in find /case-n >/got2
