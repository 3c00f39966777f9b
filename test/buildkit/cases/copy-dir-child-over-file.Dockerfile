FROM docker.io/pipelayer-test/small:1
RUN mkdir /x && echo file > /x/sub
COPY dir /x
