FROM scratch
COPY many/* /all/
COPY many/t* /some/
COPY many/*/x /x/
