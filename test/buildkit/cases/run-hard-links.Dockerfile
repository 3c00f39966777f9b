FROM docker.io/pipelayer-test/small:1
RUN echo x > /a && ln /a /b && ln /a /home/c
RUN ln /opt/pack/file /opt/pack/third && ln /etc/passwd /etc/passwd-
RUN echo y >> /b
