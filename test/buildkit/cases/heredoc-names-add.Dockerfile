FROM scratch
ENV N=1
ADD <<un$N <<$N /y/
A$N
un$N
B$N
$N
