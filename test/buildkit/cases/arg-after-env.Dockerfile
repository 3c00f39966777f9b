FROM docker.io/pipelayer-test/small:1
ENV A=env B=env
ARG A=arg
ARG B
ENV C=$A-$B
RUN echo $A $B > /x
