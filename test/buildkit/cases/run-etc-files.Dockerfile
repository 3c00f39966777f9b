FROM docker.io/pipelayer-test/small:1
RUN test -s /etc/resolv.conf && test -s /etc/hosts && ls /etc > /tmp/list
RUN echo mine > /etc/mine
