FROM docker.io/pipelayer-test/debian:1
ADD xzipped.tar.xz /opt/x/
COPY zipped.tar.gz /tmp/
RUN tar -xzf /tmp/zipped.tar.gz -C /srv && rm /tmp/zipped.tar.gz && tar -cf - -C /opt x | tar -xf - -C /var/tmp
