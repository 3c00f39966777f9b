FROM scratch
COPY a.txt /
COPY a.txt /renamed
COPY a.txt /new/dir/
COPY a.txt /new/other/name
COPY ["b.txt", "/json form"]
