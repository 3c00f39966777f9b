FROM docker.io/pipelayer-test/small:1
RUN --network=none ls /sys/class/net > /nets; test ! -e /sys/class/net/eth0
