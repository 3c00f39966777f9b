FROM docker.io/pipelayer-test/small:1
RUN chmod 4755 /bin/busybox && chmod 0 /etc/passwd
RUN chown -R 5:6 /var/lib/data && chown -h 7:8 /var/run
RUN chmod 1777 /home && mkdir -m 2770 /sgid && chown :9 /sgid
