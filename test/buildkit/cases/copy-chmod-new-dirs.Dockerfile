FROM scratch
COPY --chmod=777 a.txt /a/b
COPY --chmod=4775 dir /c/d/
COPY --chmod=2770 a.txt /e/f/
COPY --chmod=1666 b.txt /g/h
ADD --chmod=777 plain.tar /i/j/
