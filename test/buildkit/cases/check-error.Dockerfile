# check=error=true
FROM scratch AS Upper
ENV A=1
