FROM scratch
ARG N=1
COPY <<un$N <<"q$N" <<a${N}b a.txt /x/
first $N
un$N
second $N
q$N
third $N
a${N}b
