FROM scratch
COPY --exclude=*.txt dir /1
COPY --exclude=**/*.md --exclude=.hidden dir /2
COPY --exclude=sub/deep dir /3/
COPY --exclude=b.* *.txt /4/
COPY --exclude=!dir/two.txt --exclude=*.txt dir /5
