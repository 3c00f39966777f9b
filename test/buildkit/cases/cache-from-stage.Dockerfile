FROM docker.io/pipelayer-test/small:1 AS seed
RUN mkdir /seed && echo seed >/seed/f && chmod 700 /seed
FROM docker.io/pipelayer-test/small:1
RUN --mount=type=cache,target=/case-from,from=seed,source=/seed cat /case-from/f >/got && stat -c %a /case-from >>/got && echo more >/case-from/g
RUN --mount=type=cache,target=/case-from,from=seed,source=/seed ls /case-from >/got2
