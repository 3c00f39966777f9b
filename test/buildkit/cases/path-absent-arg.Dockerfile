FROM docker.io/pipelayer-test/bare:1
ARG PATH=/bin
ENV Q=$PATH
RUN echo $PATH > /p
