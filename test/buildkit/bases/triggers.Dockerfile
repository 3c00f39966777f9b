FROM docker.io/pipelayer-test/small:1
ONBUILD ARG FLAVOUR=plain
ONBUILD COPY triggers/ /triggered/
ONBUILD RUN echo "$FLAVOUR" > /flavour
ONBUILD ENV FLAVOUR=$FLAVOUR
ONBUILD WORKDIR /triggered
