FROM docker.io/pipelayer-test/debian:1
RUN mkdir /m && cd /m && for i in $(seq 1 300); do mkdir -p d$((i%7)); echo $i > d$((i%7))/f$i; done
RUN rm -rf /m/d3 /m/d5 && find /m -name "f*1" -delete && for i in 1 2 3; do echo new > /m/d1/n$i; done
