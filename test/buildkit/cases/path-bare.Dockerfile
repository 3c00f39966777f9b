FROM docker.io/pipelayer-test/shell:1
ENV PATH=/opt/bin:$PATH
RUN echo "$PATH" >/path && stat -c %a /path >/mode
