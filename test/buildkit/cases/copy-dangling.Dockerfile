FROM scratch
COPY dir/dangling /x
