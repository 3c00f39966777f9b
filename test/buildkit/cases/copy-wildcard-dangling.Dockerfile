FROM scratch
COPY dir/d* /x/
