FROM scratch
COPY --from=extra . /extra/
COPY --from=extra sub/three.txt /3
