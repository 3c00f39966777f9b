FROM scratch
COPY --parents dir/sub/three.txt /out/
COPY --parents many/*/x /glob/
COPY --parents ./dir/./sub/deep /pivot/
COPY --parents **/*.md /md/
COPY --parents a.txt dir/two.txt /
