FROM docker.io/pipelayer-test/small:1
ARG WHO=app
ENV GROUP=extra
COPY --chown=$WHO:${GROUP} a.txt /x
COPY --chmod=${MODE:-640} a.txt /y
