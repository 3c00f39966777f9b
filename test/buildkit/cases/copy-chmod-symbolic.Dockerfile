FROM scratch
COPY --chmod=u+x,go-r a.txt /1
COPY --chmod=a=rX dir /dir
COPY --chmod=u=rwX,go=rX private /new/3
COPY --chmod=+x a.txt /4
