FROM docker.io/pipelayer-test/small:1
ENV A="x y" B=
ARG C=arg
RUN env | grep -v "^container=" | sort > /env
USER app
RUN env | sort > /tmp/env
WORKDIR /home/app
RUN ["env"]
