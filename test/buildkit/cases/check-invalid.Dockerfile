# check=some
FROM scratch
ENV A=1
