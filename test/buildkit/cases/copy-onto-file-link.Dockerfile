FROM docker.io/pipelayer-test/small:1
RUN ln -s target /link && echo old > /target && ln -s /gone/away /broken
COPY a.txt /link
COPY b.txt /broken
