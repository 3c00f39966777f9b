FROM scratch
COPY --from=docker.io/pipelayer-test/small:1 /etc /etc
COPY --from=pipelayer-test/configured:1 /home/app/from-base /x
