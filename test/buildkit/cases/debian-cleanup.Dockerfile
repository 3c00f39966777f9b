FROM docker.io/pipelayer-test/debian:1
RUN rm -rf /usr/share/doc /usr/share/man /var/lib/apt/lists && find /usr/share/locale -mindepth 1 -maxdepth 1 -exec rm -rf {} +
