FROM docker.io/pipelayer-test/small:1
ARG N=1
RUN <<un$N
echo "hi $N" > /f
un$N
RUN <<un$N cat > /g
first $N
un$N
