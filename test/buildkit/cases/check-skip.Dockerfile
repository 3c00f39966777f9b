# check=skip=StageNameCasing;error=true
FROM scratch AS Upper
ENV A=1
