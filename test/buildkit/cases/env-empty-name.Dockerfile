FROM scratch
ENV ${NONE}=1 A=1
