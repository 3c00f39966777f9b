FROM docker.io/pipelayer-test/small:1
RUN --mount=type=secret,id=key cat /run/secrets/key | wc -c > /1 && stat -c "%a %u:%g" /run/secrets/key >> /1
RUN --mount=type=secret,id=key,target=/etc/key,mode=0444,uid=1000 stat -c "%a %u:%g" /etc/key > /2
RUN --mount=type=secret,id=none test ! -e /run/secrets/none
RUN --mount=type=secret,id=key,env=KEY test -n "$KEY"
