FROM scratch
COPY --exclude=* --exclude=!*.txt dir /1/
COPY --exclude=**/*.txt --exclude=!two.txt dir /2/
COPY --parents --exclude=**/*.go many /3/
