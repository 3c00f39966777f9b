FROM docker.io/pipelayer-test/small:1
RUN --mount=type=tmpfs,target=/var/lib/data,size=1m ls -A /var/lib/data > /list && echo x > /var/lib/data/lost
RUN --mount=type=tmpfs,target=/new/point echo x > /new/point/lost
