FROM scratch
COPY *.txt /txt/
COPY d*r/*.txt /in/
COPY many/*/readme.md /readme/
COPY [ab].txt /class/
COPY ?.md /mark/
COPY dir/*.txt dir/s* /children/
COPY nothing* /none/
COPY [[]* a.txt /bracket/
