FROM scratch
COPY dir /dir
COPY dir/ /slash/
COPY dir/sub /sub/
COPY emptydir /emptydir
COPY closed /closed
