FROM docker.io/pipelayer-test/small:1
RUN mkdir -p /there && chmod 2750 /there && chown 7:9 /there
RUN --mount=type=tmpfs,target=/there --mount=type=tmpfs,target=/not/there --mount=type=tmpfs,target=/tmp stat -c "%a %u:%g %n" /there /not/there /not /tmp > /modes
