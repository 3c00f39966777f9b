FROM scratch AS one
ENV A=1
FROM scratch
ENV B=2
