ARG g=1 h=$g
FROM scratch
ARG a=1 b=$a c=${b}2 g h=$g
ARG a=5 d=$a A=${d}x A=${A}y
ENV a=6 e=$a
LABEL l="$a|$b|$c|$g|$h|$d|$A|$e"
