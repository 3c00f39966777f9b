FROM scratch
COPY ../../../a.txt /
COPY /dir/../b.txt /b
COPY dir/../../c.md /c
