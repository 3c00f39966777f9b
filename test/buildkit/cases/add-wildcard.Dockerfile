FROM scratch
ADD *.tar /all/
ADD many/*/*.md /md/
