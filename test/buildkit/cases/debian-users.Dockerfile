FROM docker.io/pipelayer-test/debian:1
RUN groupadd -g 3000 team && useradd -m -u 3001 -g team -K MAIL_DIR=/dev/null dev && rm -f /etc/*- /var/log/lastlog /var/log/faillog && sed -i "s/^\\([^:]*:[^:]*\\):[^:]*/\\1:1/" /etc/shadow
USER dev
WORKDIR /home/dev
RUN id > who && umask > mask
COPY --chown=dev:team a.txt .
USER dev:root
RUN id > /tmp/second
