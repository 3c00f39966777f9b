FROM docker.io/pipelayer-test/shell:1
ARG PATH
RUN echo "[$PATH]" >/path
ARG PATH=/of/arg:/bin
RUN echo "[$PATH]" >/path2
