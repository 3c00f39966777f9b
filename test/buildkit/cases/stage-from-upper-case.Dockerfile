FROM scratch AS One
ENV A=1
FROM One
ENV B=2
