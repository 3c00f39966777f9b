FROM docker.io/pipelayer-test/small:1
RUN true
RUN ls / > /dev/null
ENV A=1
RUN cat /etc/passwd > /dev/null
