FROM docker.io/pipelayer-test/small:1
RUN mkdir -m 700 -p /x /x/sub && chown 5:6 /x /x/sub && chmod 711 /x/sub
COPY dir /x
RUN mkdir -m 700 /y && chown 5:6 /y
COPY --chown=7 --chmod=751 dir/sub /y
RUN mkdir -m 700 /z && chown 5:6 /z
COPY --chown=7:8 dir /z/
RUN mkdir -m 700 /w && chown 5:6 /w
COPY a.txt /w/
