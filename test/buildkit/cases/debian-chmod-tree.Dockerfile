FROM docker.io/pipelayer-test/debian:1
RUN chmod -R go-w /etc && chmod 700 /usr/sbin /srv && chown -R 33:33 /srv /opt && chmod 711 /var/mail; touch -d @1200000000 /etc/issue
