FROM docker.io/pipelayer-test/small:1
RUN --mount=type=tmpfs,target=/new/point stat -c '%a %u:%g' /new/point >/got && stat -c '%a %u:%g' /new >>/got
