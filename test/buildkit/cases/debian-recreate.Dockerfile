FROM docker.io/pipelayer-test/debian:1
RUN rm -rf /usr/share/doc && mkdir /usr/share/doc && echo only > /usr/share/doc/README
RUN rm -rf /etc/apt && mkdir -p /etc/apt/apt.conf.d && echo x > /etc/apt/apt.conf.d/99x
