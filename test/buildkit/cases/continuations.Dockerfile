FROM docker.io/pipelayer-test/small:1
RUN echo one \
  # a comment inside

  && echo two > /x \
  && echo three >> /x
ENV A=1 \
# comment
    B=2
  LABEL indented=yes
from scratch as lower
copy a.txt /
