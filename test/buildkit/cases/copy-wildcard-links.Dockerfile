FROM scratch
COPY link* /links/
COPY dir/l* /more/
