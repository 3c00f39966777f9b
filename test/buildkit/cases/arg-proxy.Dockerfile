FROM docker.io/pipelayer-test/small:1
RUN echo "proxy=$HTTP_PROXY" > /p
ENV X=${HTTP_PROXY:-none}
