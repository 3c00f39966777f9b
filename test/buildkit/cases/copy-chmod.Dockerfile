FROM scratch
COPY --chmod=755 a.txt /1
COPY --chmod=0600 dir /dir
COPY --chmod=4711 a.txt /3
COPY --chmod=644 link.txt /4
