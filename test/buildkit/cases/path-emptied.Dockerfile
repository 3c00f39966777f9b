FROM docker.io/pipelayer-test/small:1
ENV PATH=
RUN echo "[$PATH]" >/path
ENV PATH=$PATH:/bin
RUN echo "[$PATH]" >/path2
