FROM docker.io/pipelayer-test/small:1
COPY a.txt dir /one/
COPY dir a.txt /two/
COPY dir emptydir /three/
COPY many/* /four/
COPY dir /five/
COPY a.txt /five/
