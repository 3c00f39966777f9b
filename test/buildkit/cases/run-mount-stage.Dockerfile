FROM docker.io/pipelayer-test/small:1 AS tools
RUN echo tool > /opt/tool
FROM docker.io/pipelayer-test/small:1
RUN --mount=from=tools,source=/opt,target=/tools cp /tools/tool /copied
RUN --mount=from=tools,target=/all,ro test -e /all/opt/tool && (echo x > /all/y || echo refused > /r) 2>/dev/null
WORKDIR /w
RUN --mount=from=tools,source=/opt,target=rel ls rel > /list
