FROM docker.io/pipelayer-test/debian:1
RUN mv /etc/apt /etc/apt.real && ln -s apt.real /etc/apt
RUN rm -rf /var/mail && mkdir /var/mail2 && ln -s mail2 /var/mail
COPY a.txt /etc/apt/
