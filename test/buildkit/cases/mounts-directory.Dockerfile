FROM docker.io/pipelayer-test/small:1 AS other
RUN mkdir /own && chown 7:9 /own && chmod 2750 /own && echo x >/own/f
FROM docker.io/pipelayer-test/small:1
RUN --mount=source=dir/sub,target=/m stat -c '%a %u:%g' /m >/got
RUN --mount=source=closed,target=/m,rw stat -c '%a %u:%g' /m >>/got
RUN --mount=source=emptydir,target=/m stat -c '%a %u:%g' /m >>/got
RUN --mount=from=other,source=/own,target=/m stat -c '%a %u:%g' /m >>/got
RUN --mount=type=cache,target=/case-directory,from=other,source=/own stat -c '%a %u:%g' /case-directory >>/got
