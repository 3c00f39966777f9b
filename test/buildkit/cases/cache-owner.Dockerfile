FROM docker.io/pipelayer-test/small:1
USER app
RUN --mount=type=cache,target=/case-owner stat -c '%a %u:%g' /case-owner >/home/app/got
RUN --mount=type=cache,target=/case-owner2,uid=1000 stat -c '%a %u:%g' /case-owner2 >>/home/app/got
RUN --mount=type=cache,target=/case-owner3,mode=1770 stat -c '%a %u:%g' /case-owner3 >>/home/app/got
