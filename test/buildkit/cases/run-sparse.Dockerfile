FROM docker.io/pipelayer-test/small:1
RUN truncate -s 1M /hole && dd if=/dev/zero of=/late bs=1 count=1 seek=100000 2>/dev/null && echo x >> /hole
