FROM scratch
COPY dir/link dir/up /links/
COPY link.txt /followed
COPY linkdir /linkdir
COPY linkdir/ /linkdir2/
COPY linkdir/sub /through
COPY dir/linkdir/three.txt /three
