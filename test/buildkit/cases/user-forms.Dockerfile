FROM docker.io/pipelayer-test/small:1
USER app
RUN id > /tmp/1
USER app:others
RUN id > /tmp/2
USER 1000
RUN id > /tmp/3
USER 1234
RUN id > /tmp/4
USER 7:2000
RUN id > /tmp/5
USER root
RUN id > /tmp/6; echo $HOME >> /tmp/6
USER other
RUN echo $HOME > /tmp/7
