FROM docker.io/pipelayer-test/small:1
ENV N=x
COPY <<"un$N" /a/
text $N
un$N
