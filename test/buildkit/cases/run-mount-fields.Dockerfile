FROM docker.io/pipelayer-test/small:1
ENV N=a.txt
RUN --mount=TYPE=Bind,source=$N,target=/m,id=x,ro,rw=1 cat /m >/o1
RUN --mount=type=bind,target=/m,ro=false touch /m/new && ls /m/new >/o2
RUN --mount=type=bind,"target=/m,x" ls "/m,x/a.txt" >/o3
RUN --mount=type=cache,target=c,sharing=LOCKED echo 1 >/c/f
RUN --mount=type=cache,target=/c,env=x [ ! -e /c/f ]
RUN --mount=type=cache,id=k,target=/c echo 1 >/c/f
RUN --mount=type=cache,id=k,target=/c,uid=5,gid=6,mode=700 [ ! -e /c/f ] && stat -c "%u %g %a" /c >/o4
