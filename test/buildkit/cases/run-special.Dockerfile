FROM docker.io/pipelayer-test/small:1
RUN mkfifo /fifo && mknod /null c 1 3 && mknod -m 600 /block b 7 99
RUN rm /run/fifo
