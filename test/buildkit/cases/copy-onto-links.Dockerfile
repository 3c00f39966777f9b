FROM docker.io/pipelayer-test/small:1
COPY a.txt /var/run/a.txt
COPY a.txt /var/link/
COPY a.txt /srv/conf/x.conf
COPY dir /var/link
COPY b.txt /bin/sh.link
