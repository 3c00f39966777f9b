FROM docker.io/pipelayer-test/bare:1
ENV ONE=1 PATH=/opt/bin:$PATH
RUN echo $PATH > /p
