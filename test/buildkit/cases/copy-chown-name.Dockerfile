FROM docker.io/pipelayer-test/small:1
COPY --chown=app a.txt /1
COPY --chown=app:others a.txt /2
COPY --chown=:extra a.txt /3
COPY --chown=other:0 dir /new/4
COPY --chown=1000 a.txt /5
COPY --chown=7:apps a.txt /6
