FROM docker.io/pipelayer-test/small:1
ADD --chown=app:extra plain.tar /1/
ADD --chown=3:4 dir /2
ADD --chmod=700 a.txt /3
