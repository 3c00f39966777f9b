FROM docker.io/pipelayer-test/debian:1
RUN ln -sf /usr/bin/perl /usr/local/bin/p && ln /usr/bin/perl /usr/bin/perl-hard && echo x > /var/run/x && echo y > /var/lock/y
COPY a.txt /var/run/
COPY a.txt /bin/case-tool
COPY dir /lib/case/
WORKDIR /lib64/w
