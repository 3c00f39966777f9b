FROM scratch
COPY dir/absolute /x
