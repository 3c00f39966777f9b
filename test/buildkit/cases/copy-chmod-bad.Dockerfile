FROM scratch
COPY --chmod=99 a.txt /
