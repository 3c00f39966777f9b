FROM scratch
WORKDIR /w
COPY --parents dir/sub ./here/
COPY --parents dir/sub/ /slash
COPY --parents dir/sub/deep/* /star/
