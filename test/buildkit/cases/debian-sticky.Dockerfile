FROM docker.io/pipelayer-test/debian:1
RUN mkdir -m 1777 /spool && mkdir -m 6755 /both && cp /bin/true /both/x && chmod 6711 /both/x && mkfifo -m 622 /spool/p && truncate -s 5M /spool/sparse && mknod /spool/zero c 1 5
USER nobody
RUN echo mine > /spool/mine && mkdir /spool/dir
