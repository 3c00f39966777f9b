FROM docker.io/pipelayer-test/small:1
COPY --chmod=755 <<EOF /opt/tools/tool
#!/bin/sh
echo "\$0 \$PATH" >/out
EOF
ENV PATH=/opt/tools
RUN ["tool"]
