FROM docker.io/pipelayer-test/small:1
VOLUME /data
RUN mkdir -p /data && echo kept > /data/file
COPY a.txt /data/
RUN rm /data/file && echo again > /data/second
