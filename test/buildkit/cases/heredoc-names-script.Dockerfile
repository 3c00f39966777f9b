FROM docker.io/pipelayer-test/small:1
ARG N=1
RUN <<un$N
#!/bin/sh
echo "hi $N" > /f
un$N
