# escape=`
FROM docker.io/pipelayer-test/small:1
ENV A=C:\dir`
    B=`$A
RUN echo one && `
    echo "two\n" > /x
COPY a.txt `
  /y
