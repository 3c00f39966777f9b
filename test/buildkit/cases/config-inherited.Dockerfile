FROM docker.io/pipelayer-test/configured:1
RUN id -un > who && pwd >> who && echo $BASE $PATH >> who
LABEL keep=changed
EXPOSE 443
VOLUME /more
ENV LANG=$LANG.x
