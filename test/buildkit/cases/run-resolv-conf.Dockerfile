FROM docker.io/pipelayer-test/small:1
RUN rm -f /etc/hostname && echo x > /etc/hostname
COPY a.txt /etc/resolv.conf
COPY a.txt /etc/hosts
RUN echo x > /x
