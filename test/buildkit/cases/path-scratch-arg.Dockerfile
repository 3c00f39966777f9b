FROM scratch
ARG PATH=/x
ENV Q=$PATH
COPY a.txt /
